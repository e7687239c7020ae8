'use strict';
'require baseclass';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.clipboard as clipboard';
'require spa-knockd.code as code';
'require spa-knockd.pending as pending';
'require spa-knockd.provision as provision';

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
	const text = provision.qrText(client.stanza(), client.server());
	const place = E('p');

	if (text.problem != null)
		place.replaceChildren(problem(text.problem));
	else if (client.isShown)
		code.draw(place, text.text, _('QR code with the keys'), () => client.isShown);
	else
		place.replaceChildren(E('em', {}, [ _('The QR code is hidden, because it holds the keys.') ]));

	return [ E('h5', {}, [ _('Phone: the app Fwknop2') ]), place, notes(text.notes) ];
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

		return pending.show(strip, {
			what: _('Changes are saved, but not in force: until they are applied, the client is refused.'),
			done: _('In force: the client may knock as soon as it has its keys.'),
			checked
		});
	}
});
