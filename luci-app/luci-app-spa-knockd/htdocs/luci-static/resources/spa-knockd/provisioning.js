'use strict';
'require baseclass';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.clipboard as clipboard';
'require spa-knockd.findings as findings';
'require spa-knockd.provision as provision';
'require spa-knockd.rpc as knock';

/*
 * The dialog that connects a client: QR code, .fwknoprc stanza and command line; keys are hidden until asked for.
 */

const CONFIG = 'spa-knockd';
const REMEMBERED = 'spa-knockd.server';

/* What the browser calls the router, or what was written here before; a browser may keep nothing. */
function likelyServer() {
	try {
		return window.localStorage.getItem(REMEMBERED) || window.location.hostname;
	}
	catch (error) {
		return window.location.hostname;
	}
}

function remember(server) {
	try {
		window.localStorage.setItem(REMEMBERED, server);
	}
	catch (error) {
		console.warn(error);
	}
}

function field(title, id, input, help) {
	return E('div', { 'class': 'cbi-value' }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ title ]),
		E('div', { 'class': 'cbi-value-field' }, [ input, E('div', { 'class': 'cbi-value-description' }, [ help ]) ])
	]);
}

function notes(lines) {
	return lines.length ? E('ul', {}, lines.map(line => E('li', {}, [ line ]))) : E([]);
}

function problem(words) {
	return E('div', { 'class': 'alert-message warning' }, [ words ]);
}

/* Shows the code in this place, as soon as the library that draws it is there. */
function drawCode(place, text, isWanted) {
	return L.require('uqr').then(uqr => {
		const svg = E(uqr.renderSVG(text, { pixelSize: 4, border: 4 }));

		svg.setAttribute('role', 'img');
		svg.setAttribute('aria-label', _('QR code with the keys'));

		if (isWanted())
			place.replaceChildren(svg);
	}).catch(() => place.replaceChildren(problem(_('The QR code cannot be drawn: install the package luci-lib-uqr.'))));
}

/* What the dialog is about, and what of it is shown. */
function Client(name) {
	const section = Object.assign({}, uci.get(CONFIG, name), { '.name': name });
	const main = uci.get(CONFIG, 'main') ?? {};

	return {
		isShown: false,
		isNext: agree.text(section.next_key_base64) != '',
		hasNext: agree.text(section.next_key_base64) != '',
		name: likelyServer(),

		stanza() {
			return this.isNext ? provision.withNextKeys(section) : section;
		},

		server() {
			return { name: this.name, port: main.port, transport: main.transport, tcp_listen: main.tcp_listen };
		}
	};
}

function phone(client) {
	const code = provision.qrText(client.stanza(), client.server());
	const place = E('p');

	if (code.problem != null)
		place.replaceChildren(problem(code.problem));
	else if (client.isShown)
		drawCode(place, code.text, () => client.isShown);
	else
		place.replaceChildren(E('em', {}, [ _('The QR code is hidden, because it holds the keys.') ]));

	return [ E('h5', {}, [ _('Phone: the app Fwknop2') ]), place, notes(code.notes) ];
}

function computer(client) {
	const rc = provision.rcStanza(client.stanza(), client.server());
	const line = provision.commandLine(client.stanza());
	const nodes = [ E('h5', {}, [ _('Computer: the file ~/.fwknoprc') ]) ];

	if (rc.problem != null)
		nodes.push(problem(rc.problem));
	else
		nodes.push(E('pre', { 'tabindex': 0 }, [ client.isShown ? rc.text : provision.masked(rc.text) ]),
			clipboard.button(_('Copy with the keys'), () => rc.text), notes(rc.notes));

	nodes.push(E('h5', {}, [ _('Computer: the command that knocks') ]));

	if (line.text != '')
		nodes.push(E('pre', { 'tabindex': 0 }, [ line.text ]), clipboard.button(_('Copy the command'), () => line.text));

	return [ ...nodes, notes(line.notes) ];
}

/* Puts what was saved into force, and says what the daemon thinks of it. */
function apply(place, checked) {
	return uci.apply().then(() => knock.check(), reason => {
		const words = String(reason?.message ?? reason);

		/* ubus says 5 where there is nothing to apply any more. */
		return /(^|code )5\b/.test(words) ? knock.check() : { ok: false, error: words };
	}).then(reply => {
		ui.changes?.init?.();
		checked?.(reply);
		place.replaceChildren(reply.ok
			? E('div', { 'class': 'alert-message success', 'role': 'status' }, [ _('In force: the client may knock as soon as it has its keys.') ])
			: findings.render(reply));
	});
}

function pending(place, checked) {
	return E('div', { 'class': 'alert-message notice', 'role': 'status' }, [
		E('p', {}, [ _('Changes are saved, but not in force: until they are applied, the client is refused. "Apply now" applies all that is saved, on other pages, too.') ]),
		E('button', {
			'type': 'button',
			'class': 'btn cbi-button cbi-button-apply important',
			'click': ui.createHandlerFn(this, () => apply(place, checked))
		}, [ _('Apply now') ])
	]);
}

function keyChoice(client, update) {
	if (!client.hasNext)
		return E([]);

	const select = E('select', {
		'id': 'spa-knockd-keys',
		'class': 'cbi-input-select',
		'change': ev => {
			client.isNext = (ev.currentTarget.value == 'next');
			update();
		}
	}, [ E('option', { 'value': 'next' }, [ _('The next keys') ]), E('option', { 'value': 'present' }, [ _('The present keys') ]) ]);

	return field(_('Keys'), 'spa-knockd-keys', select, _('The keys of this user are being changed: both are valid until the rotation is finished.'));
}

return baseclass.extend({
	/* Opens the dialog for a user; `checked` is told what `check` says of changes that were applied here. */
	open(name, checked) {
		const client = Client(name);
		const strip = E('div');
		const content = E('div');
		const update = () => content.replaceChildren(...phone(client), ...computer(client));
		const server = E('input', { 'type': 'text', 'id': 'spa-knockd-server', 'class': 'cbi-input-text', 'value': client.name, 'autocapitalize': 'none' });
		const show = E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-action', 'aria-pressed': 'false' }, [ _('Show QR code and keys') ]);

		server.addEventListener('input', () => {
			client.name = server.value.trim();
			remember(client.name);
			update();
		});

		show.addEventListener('click', () => {
			client.isShown = !client.isShown;
			show.setAttribute('aria-pressed', String(client.isShown));
			show.textContent = client.isShown ? _('Hide QR code and keys') : _('Show QR code and keys');
			update();
		});

		update();

		ui.showModal([ _('Connect a client as %s').format(name) ], [
			strip,
			field(_('Router'), 'spa-knockd-server', server,
				_('The name or address by which the client reaches the router from outside. The one above is what your browser uses; from the internet it is the public address, or a dynamic DNS name.')),
			keyChoice(client, update),
			E('p', {}, [ show ]),
			content,
			E('div', { 'class': 'button-row' }, [
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Close') ])
			])
		], 'cbi-modal');

		return uci.changes().then(changes => {
			if (changes?.[CONFIG]?.length)
				strip.replaceChildren(pending(strip, checked));
		}).catch(error => console.warn(error));
	}
});
