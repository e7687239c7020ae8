'use strict';
'require baseclass';
'require form';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.fields as fields';
'require spa-knockd.newname as newname';
'require spa-knockd.provisioning as provisioning';
'require spa-knockd.rpc as knock';
'require spa-knockd.validate as validate';

/*
 * A new user: a name and what it may open; the router makes the keys, and the dialog ends where a client is connected.
 */

const CONFIG = 'spa-knockd';

/* A user that was never used, as the sample has one: switched off, and without any key. */
function isUnused(section) {
	const keys = [ 'key', 'key_base64', 'hmac_key', 'hmac_key_base64' ].map(name => agree.text(section[name]));

	return section['.type'] == 'access' && !agree.isOn(section.enabled, true) && keys.every(key => key == '' || validate.isPlaceholder(key));
}

/* A name that nobody has, for those who do not care. */
function freeName() {
	for (let number = 1; ; number++)
		if (uci.get(CONFIG, `user${number}`) == null)
			return `user${number}`;
}

function isSwitchedOff() {
	return !agree.isOn(uci.get(CONFIG, 'main', 'enabled'), false);
}

/* The form; its options are none of UCI's, but become some. */
function makeForm(forwards) {
	const map = new form.JSONMap({ user: { _name: freeName(), _open: forwards.length ? [] : [ 'tcp/22' ], _forward: forwards, _switch_on: '1' } });
	const s = map.section(form.NamedSection, 'user', 'user');
	let o;

	o = s.option(fields.Value, '_name', _('Name'), _('Who or what knocks: letters, digits and underscores. It stands in the log and in the firewall.'));
	o.rmempty = false;
	o.validate = newname.freeFor(isUnused);

	o = s.option(fields.List, '_open', _('May open'), _('Ports of the router that a knock opens, such as tcp/22 or udp/1194.'));
	o.placeholder = 'tcp/22';
	o.validate = fields.checkedBy(validate.portOrAny);

	o = s.option(fields.List, '_forward', _('Forwards'), _('Hosts behind the router that a knock opens the way to: tcp/2222=192.168.1.10:22. An existing port forward for the same port has to be removed in the firewall settings, or it stays open to everybody.'));
	o.placeholder = 'tcp/2222=192.168.1.10:22';
	o.validate = fields.checkedBy(validate.forward);

	if (isSwitchedOff()) {
		o = s.option(fields.Flag, '_switch_on', _('Switch spa-knockd on'), _('The daemon is switched off: without this, nobody can knock.'));
		o.rmempty = false;
	}

	return map;
}

/* What is wrong with the user beyond single values; null where nothing is. */
function fault(values) {
	const stanza = { enabled: '1', key_base64: 'AAAA', open: values._open, forward: values._forward };
	const wrong = [ ...agree.list(values._open).map(validate.portOrAny), ...agree.list(values._forward).map(validate.forward) ].find(verdict => verdict !== true);

	return wrong ?? Object.values(agree.stanza(stanza))[0] ?? null;
}

/* Writes the user into the staged configuration. */
function stage(values, keys) {
	const name = values._name;

	if (uci.get(CONFIG, name) == null)
		uci.add(CONFIG, 'access', name);

	if (uci.get(CONFIG, 'main') == null)
		uci.add(CONFIG, 'spa-knockd', 'main');

	if (agree.isOn(values._switch_on, false) && isSwitchedOff())
		uci.set(CONFIG, 'main', 'enabled', '1');

	for (const option of [ 'key', 'hmac_key', 'hmac_digest', 'encryption_mode' ])
		uci.unset(CONFIG, name, option);

	uci.set(CONFIG, name, 'enabled', '1');
	uci.set(CONFIG, name, 'format', 'fwknop');
	uci.set(CONFIG, name, 'key_base64', keys.key_base64);
	uci.set(CONFIG, name, 'hmac_key_base64', keys.hmac_key_base64);

	for (const [ option, given ] of [ [ 'open', values._open ], [ 'forward', values._forward ] ]) {
		if (agree.list(given).length)
			uci.set(CONFIG, name, option, agree.list(given));
		else
			uci.unset(CONFIG, name, option);
	}
}

/* Makes the user; `say` tells why not. The dialog ends where a client is connected. */
function create(page, map, say, checked) {
	return map.parse().then(() => {
		const values = map.data.get('json', 'user');
		const problem = fault(values);

		if (problem != null)
			return say(problem);

		return knock.keygen('sha256').then(keys => {
			if (!keys.ok)
				return say(keys.error);

			/* What stands in the page's own fields first: saved later, it would undo what is staged here. */
			return page.save(null, true)
				.then(() => stage(values, keys))
				.then(() => uci.save())
				.then(() => page.load())
				.then(() => page.reset())
				.then(() => provisioning.open(values._name, checked));
		});
	}).catch(error => say(error.message ?? String(error)));
}

return baseclass.extend({
	/* The forwards of a link to the page that are right; the address bar is anybody's. */
	forwardsOf(query) {
		return new URLSearchParams(query).getAll('forward').slice(0, 8).filter(value => value != '' && validate.forward(value) === true);
	},

	/* Opens the dialog on a page whose map shows the users; `checked` as for the dialog that connects a client. */
	open(page, forwards, checked) {
		const map = makeForm(forwards);
		const said = E('div');
		const say = words => {
			said.replaceChildren(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [ words ]));
		};

		return map.render().then(node => ui.showModal([ _('New user') ], [
			node,
			said,
			E('div', { 'class': 'button-row' }, [
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Dismiss') ]),
				' ',
				E('button', {
					'type': 'button',
					'class': 'btn cbi-button cbi-button-positive important',
					'click': ui.createHandlerFn(this, () => create(page, map, say, checked))
				}, [ _('Create with new keys') ])
			])
		], 'cbi-modal'));
	}
});
