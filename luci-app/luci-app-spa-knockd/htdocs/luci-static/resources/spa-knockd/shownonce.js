'use strict';
'require baseclass';
'require ui';
'require spa-knockd.card as card';
'require spa-knockd.clipboard as clipboard';
'require spa-knockd.code as code';
'require spa-knockd.pending as pending';
'require spa-knockd.print as paper';

/*
 * The dialog that shows new one-time passwords, once: the card for the wallet, or the secret of an app as a QR code.
 */

/* The card as it is printed, in as many columns as fit. */
function sheet(reply) {
	return [
		E('h1', { 'style': 'font:bold 14pt sans-serif' }, [ card.title(reply) ]),
		...card.head(reply).map(line => E('p', { 'style': 'font:10pt sans-serif' }, [ line ])),
		E('div', { 'style': 'columns:19em;font:10pt monospace;line-height:1.7' }, card.lines(reply).map(line => E('div', { 'style': 'white-space:pre;break-inside:avoid' }, [ line ])))
	];
}

/* The parts for a card. */
function ofCard(reply) {
	return {
		show: _('Show the passwords'),
		hide: _('Hide the passwords'),
		hidden: _('The passwords are hidden.'),
		words: _('Print the card or copy it out. Whoever has it gets in: it belongs in a wallet, not in a file.'),
		draw: place => place.replaceChildren(E('pre', { 'tabindex': 0 }, [ card.screen(reply) ])),
		tools: [
			E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-action', 'click': () => paper.print(card.title(reply), sheet(reply)) }, [ _('Print the card') ]),
			clipboard.button(_('Copy the card'), () => card.text(reply))
		]
	};
}

/* The parts for an app. */
function ofApp(reply) {
	return {
		show: _('Show the QR code'),
		hide: _('Hide the QR code'),
		hidden: _('The QR code is hidden, because it holds the secret.'),
		words: _('Let the app read the code. Whoever sees it can make the same passwords.'),
		draw: (place, isWanted) => {
			const square = E('p');

			place.replaceChildren(square, E('pre', { 'tabindex': 0, 'style': 'white-space:pre-wrap;word-break:break-all' }, [ reply.uri ]));

			return code.draw(square, reply.uri, _('QR code with the secret'), isWanted);
		},
		tools: [ clipboard.button(_('Copy the address with the secret'), () => reply.uri) ]
	};
}

return baseclass.extend({
	/*
	 * Opens the dialog for the reply of the router; `trouble` is what went wrong after they were made. `isAgain`: they can
	 * be had once more. `checked` and `closed` are told what happens here.
	 */
	open(reply, { trouble, isAgain, checked, closed }) {
		const parts = (reply.kind == 'chain') ? ofCard(reply) : ofApp(reply);
		const strip = E('div');
		const place = E('div');
		const button = E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-action', 'aria-pressed': 'false' });
		let isShown = false;

		const update = () => {
			button.setAttribute('aria-pressed', String(isShown));
			button.textContent = isShown ? parts.hide : parts.show;

			if (isShown)
				parts.draw(place, () => isShown);
			else
				place.replaceChildren(E('p', {}, [ E('em', {}, [ parts.hidden ]) ]));
		};

		button.addEventListener('click', () => {
			isShown = !isShown;
			update();
		});
		update();

		ui.showModal([ card.title(reply) ], [
			trouble ? E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [ trouble ]) : null,
			strip,
			E('p', {}, [ isAgain ? null : E('strong', {}, [ _('They are shown this once: nobody can read them off the router again.') ]), ' ', parts.words ]),
			E('p', {}, [ button ]),
			place,
			...parts.tools,
			E('div', { 'class': 'button-row' }, [
				E('button', {
					'type': 'button',
					'class': 'btn cbi-button',
					'click': () => {
						/* LuCI hides dialogs and keeps what is in them. */
						isShown = false;
						update();
						paper.clear();
						ui.hideModal();
						closed?.();
					}
				}, [ _('Close') ])
			])
		], 'cbi-modal');

		return pending.show(strip, {
			what: _('Changes are saved, but not in force: until they are applied, these passwords may open nothing.'),
			done: _('In force: these passwords are taken from now on.'),
			checked
		});
	}
});
