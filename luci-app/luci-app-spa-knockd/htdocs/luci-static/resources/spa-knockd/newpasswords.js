'use strict';
'require baseclass';
'require form';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.fields as fields';
'require spa-knockd.newname as newname';
'require spa-knockd.rpc as knock';
'require spa-knockd.shownonce as shownonce';
'require spa-knockd.validate as validate';

/*
 * One-time passwords for a new user, or in the place of those that a user has. The router makes them; the dialog ends
 * where they are shown. They are made before the user is: so whatever fails afterwards, nobody has lost them.
 */

const CONFIG = 'spa-knockd';

/* Bytes of a passphrase that RFC 2289 wants, and that every calculator takes. */
const PASSPHRASE_MIN = 10, PASSPHRASE_MAX = 63;

/* Passwords on one card. */
const COUNT = 50, COUNT_MAX = 498;

function isUnused(section) {
	return section['.type'] == 'otp' && !agree.isOn(section.enabled, true);
}

function passphrase(section_id, value) {
	const length = validate.byteLength(value ?? '');

	if (length < PASSPHRASE_MIN)
		return _('At least %d characters; a sentence that nobody else would think of.').format(PASSPHRASE_MIN);

	return length <= PASSPHRASE_MAX || _('No more than %d bytes: calculators take no longer ones.').format(PASSPHRASE_MAX);
}

function addUser(s) {
	let o;

	o = s.option(fields.Value, '_name', _('Name'), _('Whose passwords they are: letters, digits and underscores. The visitor types it, and it stands in the log.'));
	o.rmempty = false;
	o.validate = newname.freeFor(isUnused);

	o = s.option(fields.List, '_open', _('Opens'), _('Ports of the router, one each, such as tcp/22 or udp/1194. Forwards can be added afterwards.'));
	o.placeholder = 'tcp/22';
	o.validate = fields.checkedBy(validate.port);
}

function addKind(s) {
	const ofCard = { _kind: 'chain' };
	let o;

	o = s.option(fields.Choice, '_kind', _('Kind'),
		_('A card has passwords to strike out; it needs no device and cannot be guessed. An app shows a new code every 30 seconds, and needs a router that knows the time. A counting app or device needs no clock.'));
	o.value('chain', _('A card for the wallet'));
	o.value('totp', _('An authenticator app'));
	o.value('hotp', _('An app or a device that counts'));

	o = s.option(fields.Value, '_count', _('Number of passwords'), _('1 to 498; each is good once. New ones can be made at any time.'));
	o.depends(ofCard);
	o.rmempty = false;
	o.validate = fields.checkedBy(validate.number(1, COUNT_MAX));

	o = s.option(fields.Choice, '_source', _('Made from'),
		_('Passwords by chance stand on the card and nowhere else: where it is lost, make new ones. From a passphrase of yours any calculator of RFC 2289 computes them, and the card can be shown again; whoever guesses it has them all.'));
	o.depends(ofCard);
	o.value('chance', _('chance'));
	o.value('typed', _('a passphrase of mine'));

	o = s.option(fields.Secret, '_passphrase', _('Passphrase'), _('At least 10 characters. It is stored nowhere.'));
	o.rmempty = false;
	o.depends(Object.assign({ _source: 'typed' }, ofCard));
	o.validate = passphrase;

	o = s.option(fields.Secret, '_again', _('Passphrase again'), _('The same once more.'));
	o.rmempty = false;
	o.depends(Object.assign({ _source: 'typed' }, ofCard));
	o.validate = function(section_id, value) {
		return value == this.section.formvalue(section_id, '_passphrase') || _('The two passphrases differ.');
	};

	o = s.option(fields.Choice, '_digits', _('Digits of a code'), _('8 are a hundred times harder to guess; a few apps know only 6.'));
	o.depends('_kind', 'totp');
	o.depends('_kind', 'hotp');
	o.value('6');
	o.value('8');
}

/* What is switched off and would keep the passwords from being of any use. */
function addSwitches(s) {
	let o;

	if (!agree.isOn(uci.get(CONFIG, 'main', 'enabled'), false)) {
		o = s.option(fields.Flag, '_switch_on', _('Switch spa-knockd on'), _('The daemon is switched off: without this, no password is taken.'));
		o.rmempty = false;
	}

	if (!agree.isOn(uci.get(CONFIG, 'page', 'enabled'), false)) {
		o = s.option(fields.Flag, '_page', _('Switch the page on'), _('There is no page that asks for passwords yet. With this, everybody on the internet can reach it at its port.'));
		o.rmempty = false;
	}
}

/* The form; its options are none of UCI's, but become some. */
function makeForm({ isNew, makes, name, kind }) {
	const map = new form.JSONMap({ new: { _name: name ?? '', _open: [ 'tcp/22' ], _kind: kind ?? 'chain', _source: 'chance', _count: String(COUNT), _digits: '6',
		_switch_on: '1', _page: '0' } });
	const s = map.section(form.NamedSection, 'new', 'new');

	if (isNew)
		addUser(s);

	if (makes)
		addKind(s);

	if (isNew)
		addSwitches(s);

	return map;
}

/* What the router is asked for. */
function wanted(values) {
	const isCard = values._kind == 'chain';

	return {
		kind: values._kind,
		passphrase: isCard && values._source == 'typed' ? values._passphrase : undefined,
		count: isCard ? Number(values._count) : undefined,
		digits: isCard ? undefined : Number(values._digits)
	};
}

/* Writes the user into the staged configuration. */
function stage(values) {
	const name = values._name;

	if (uci.get(CONFIG, name) == null)
		uci.add(CONFIG, 'otp', name);

	uci.set(CONFIG, name, 'enabled', '1');
	uci.set(CONFIG, name, 'open', agree.list(values._open));

	for (const [ section, type, flag ] of [ [ 'main', 'spa-knockd', values._switch_on ], [ 'page', 'page', values._page ] ]) {
		if (uci.get(CONFIG, section) == null)
			uci.add(CONFIG, type, section);

		if (agree.isOn(flag, false) && !agree.isOn(uci.get(CONFIG, section, 'enabled'), false))
			uci.set(CONFIG, section, 'enabled', '1');
	}
}

/* Writes the user, and draws the page again; why that failed, or nothing. */
function save(page, values) {
	return Promise.resolve().then(() => stage(values)).then(() => uci.save()).then(() => page.load()).then(() => page.reset()).then(() => null, error =>
		_('The passwords were made, but the user was not saved: %s').format(String(error?.message ?? error).split('\n')[0]));
}

/* What is wrong with a new user; null where nothing is. */
function fault(values) {
	return agree.otp({ enabled: '1', open: values._open }).open ?? null;
}

/* Makes the user, or a user of passwords that there are; `say` tells why not. */
function create(page, map, say, makes, { checked, closed }) {
	return map.parse().then(() => {
		const values = map.data.get('json', 'new');

		if (fault(values) != null)
			return say(fault(values));

		/* What stands in the page's own fields first: saved later, it would undo what is staged here. */
		return page.save(null, true).then(() => makes ? knock.otpAdd(values._name, wanted(values)) : { ok: true }).then(reply => {
			if (!reply.ok)
				return say(reply.error);

			return save(page, values).then(trouble => {
				if (makes)
					return shownonce.open(reply, { trouble, checked, closed });

				return trouble ? say(trouble) : (ui.hideModal(), closed?.());
			});
		});
	}).catch(error => say(error.message ?? String(error)));
}

/* Makes other passwords for a user. */
function replace(map, say, name, hasSome, { checked, closed }) {
	return map.parse().then(() => {
		const values = wanted(map.data.get('json', 'new'));

		return (hasSome ? knock.otpReset(name, values) : knock.otpAdd(name, values)).then(reply => reply.ok
			? shownonce.open(reply, { checked, closed })
			: say(reply.error));
	}).catch(error => say(error.message ?? String(error)));
}

/* A dialog around a form; `work` gets what says below it why not. */
function dialog(title, above, map, button, work) {
	const said = E('div');
	const say = words => {
		said.replaceChildren(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [ words ]));
	};

	return map.render().then(node => ui.showModal([ title ], [
		...above,
		node,
		said,
		E('div', { 'class': 'button-row' }, [
			E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Dismiss') ]),
			' ',
			E('button', {
				'type': 'button',
				'class': 'btn cbi-button cbi-button-positive important',
				'click': ui.createHandlerFn(null, () => work(say))
			}, [ button ])
		])
	], 'cbi-modal'));
}

return baseclass.extend({
	/*
	 * Opens the dialog for a new user on a page whose map shows the users. `name`: of the user for whom passwords are
	 * there already. `after`: `checked` is told what `check` says of changes that are applied here, `closed` when all
	 * is done.
	 */
	add(page, name, after) {
		const makes = name == null;
		const map = makeForm({ isNew: true, makes, name });

		return dialog(_('New user of one-time passwords'), [], map, makes ? _('Make the passwords') : _('Create'),
			say => create(page, map, say, makes, after));
	},

	/* Opens the dialog for other passwords of a user; `row` is what knock.otpList() says of those that there are. */
	replace(name, row, after) {
		const map = makeForm({ makes: true, kind: row?.kind });
		const above = row ? [ E('p', {}, [ _('The passwords that there are end as soon as new ones are made.') ]) ] : [];

		return dialog(_('New passwords for %s').format(name), above, map, _('Make the passwords'), say => replace(map, say, name, row != null, after));
	},

	/* Opens the dialog that shows the passwords that are left, for whoever knows the passphrase. */
	again(name, after) {
		const map = new form.JSONMap({ new: { _count: String(COUNT) } });
		const s = map.section(form.NamedSection, 'new', 'new');
		const secret = s.option(fields.Secret, '_passphrase', _('Passphrase'), _('The one that the passwords were made from. Where the router made it, nobody knows it: make new passwords.'));
		const count = s.option(fields.Value, '_count', _('Number of passwords'));

		secret.rmempty = false;
		count.rmempty = false;
		count.validate = fields.checkedBy(validate.number(1, COUNT_MAX));

		return dialog(_('Card of %s').format(name), [], map, _('Show the card'), say => map.parse().then(() => {
			const values = map.data.get('json', 'new');

			return knock.otpCard(name, values._passphrase, Number(values._count));
		}).then(reply => reply.ok ? shownonce.open(reply, { ...after, isAgain: true }) : say(reply.error)).catch(error => say(error.message ?? String(error))));
	},

	wanted
});
