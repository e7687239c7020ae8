'use strict';
'require view';
'require form';
'require poll';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.attention as attention';
'require spa-knockd.dialogs as dialogs';
'require spa-knockd.draw as draw';
'require spa-knockd.fields as fields';
'require spa-knockd.findings as findings';
'require spa-knockd.holders as holders';
'require spa-knockd.newpasswords as newpasswords';
'require spa-knockd.otpsection as otpsection';
'require spa-knockd.pagesection as pagesection';
'require spa-knockd.rpc as knock';

/*
 * The users of one-time passwords: what these open, how many are left, who must wait; and the page that asks for them.
 */

/* Seconds from one look at passwords and locks to the next. */
const EVERY = 5;

/* What the view knows and can do; the grid is made anew whenever it is saved. */
let desk = null;

function button(words, style, handler, help) {
	return E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-' + style, 'title': help ?? null, 'click': ui.createHandlerFn(null, handler) }, [ words ]);
}

/* A grid of users with buttons for their passwords. */
const Users = form.GridSection.extend({
	renderSectionAdd() {
		const add = button(_('New user…'), 'add', () => newpasswords.add(this.map, null, desk.after));

		add.disabled = this.map.readonly;

		return E('div', { 'class': 'cbi-section-create cbi-tblsection-create' }, [ add ]);
	},

	renderRowActions(section_id) {
		const cell = this.super('renderRowActions', [ section_id ]);
		const forgive = button(_('Forgive'), 'neutral', () => desk.forgive(section_id), _('Forget the wrong codes of this user, so that single ones are looked at again'));
		const again = button(_('Card…'), 'neutral', () => newpasswords.again(section_id, desk.after), _('Show the passwords that are left, with the passphrase'));
		const fresh = button(_('Renew…'), 'action', () => newpasswords.replace(section_id, desk.holders.row(section_id), desk.after), _('Make new passwords'));

		fresh.disabled = again.disabled = this.map.readonly;
		forgive.dataset.for = 'paused';
		again.dataset.for = 'card';
		cell.lastElementChild.prepend(forgive, again, fresh);
		desk.showButtons(cell, section_id);

		return cell;
	},

	/* The passwords go first: what stays after a failure is a user without any, who can be removed again. */
	handleRemove(section_id) {
		return dialogs.ask(_('Remove %s?').format(section_id), [
			_('The passwords of this user end at once and for good. The user goes with the next Save & Apply.')
		], _('Remove'), () => knock.otpRemove(section_id).then(reply => reply.ok
			? form.GridSection.prototype.handleRemove.call(this, section_id).then(() => desk.look())
			: Promise.reject(new Error(reply.error))));
	},

	handleModalSave(...args) {
		dialogs.sayWhyNotSaved(this.getActiveModalMap());

		return this.super('handleModalSave', args);
	}
});

/* The passwords whose users are gone, or were never made. */
function orphanTable(map) {
	return draw.table({
		titles: [ _('Passwords of'), _('What they are'), '' ],
		label: _('Passwords without a user'),
		empty: _('There is none.'),
		key: row => JSON.stringify([ row.user, row.kind, row.left, row.error ]),
		make: row => [
			[ row.user ],
			[ desk.holders.passwords(row.user) ],
			map.readonly ? [] : [
				button(_('Make the user…'), 'action', () => newpasswords.add(map, row.user, desk.after)),
				' ',
				button(_('Remove'), 'remove', () => dialogs.ask(_('Remove the passwords of %s?').format(row.user), [
					_('They end at once and for good.')
				], _('Remove'), () => knock.otpRemove(row.user).then(reply => reply.ok ? desk.look() : Promise.reject(new Error(reply.error)))))
			]
		]
	});
}

/* Where the page is, as far as the browser can know. */
function address() {
	const values = uci.get(fields.CONFIG, 'page') ?? {};
	const host = agree.list(values.host)[0] ?? window.location.hostname;
	const name = /^[^[].*:/.test(host) ? `[${host}]` : host;
	const port = agree.text(values.port) || '8443';

	if (!agree.isOn(values.enabled, false))
		return [ _('The page is switched off, so nobody can use a one-time password.') ];

	/* No address of LuCI's own, but of this router: nothing but the name and the port is put in. */
	const link = E('a', { 'target': '_blank', 'rel': 'noreferrer noopener' }, [ `https://${name}:${port}/` ]);

	link.setAttribute('href', `https://${name}:${port}/`);

	return [ _('The page is at'), ' ', link ];
}

/* What the view knows, and what it does with it. */
function Desk(mayForgive) {
	const known = holders.create();
	const strip = E('div');
	const where = E('p');
	const waiting = E('p', { 'role': 'status' });
	const lacks = draw.strip();
	let map = null, orphans = null, orphanSection = null;

	return {
		holders: known,
		nodes: { strip, where, waiting, lacks: lacks.node },

		begin(made) {
			map = made;
			orphans = orphanTable(map);
			orphanSection = E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Passwords without a user') ]),
				E('p', {}, [ _('Nobody gets in by them, because no user has the name.') ]),
				orphans.node
			]);

			return orphanSection;
		},

		checked(reply) {
			strip.replaceChildren(findings.render(reply, !agree.isOn(uci.get(fields.CONFIG, 'main', 'enabled'), false)));
		},

		get after() {
			const checked = reply => {
				this.checked(reply);

				return this.look();
			};

			return { checked, closed: () => this.look() };
		},

		showButtons(cell, section_id) {
			draw.show(cell.querySelector('[data-for="paused"]'), mayForgive && known.isPaused(section_id));
			draw.show(cell.querySelector('[data-for="card"]'), known.row(section_id)?.kind == 'chain' && known.row(section_id).left > 0);
		},

		/* Asks the router, and writes into the grid what has changed. */
		look() {
			return knock.otpList().then(reply => {
				const problem = known.update(reply);

				draw.text(waiting, problem ?? known.throttled());
				/* What they would link to is this very page. */
				lacks.update(attention.ofPage(reply).map(entry => Object.assign(entry, { links: [] })));
				where.replaceChildren(...address());
				this.show();
			});
		},

		show() {
			for (const row of map?.root?.querySelectorAll('tr[data-sid]') ?? []) {
				for (const name of [ 'passwords', 'lock' ]) {
					const cell = row.querySelector(`td[data-name="_${name}"]`);

					if (cell)
						draw.text(cell, known[name](row.dataset.sid));
				}

				if (row.lastElementChild)
					this.showButtons(row, row.dataset.sid);
			}

			const left = known.orphans(uci.sections(fields.CONFIG, 'otp').map(section => section['.name']));

			orphans?.update(left);

			if (orphanSection)
				draw.show(orphanSection, left.length);
		},

		forgive(name) {
			return knock.otpForgive(name).then(reply => {
				ui.addNotification(null, E('p', {}, [ reply.ok ? _('The wrong codes of %s are forgotten.').format(name) : reply.error ]), reply.ok ? 'info' : 'warning');

				return this.look();
			});
		}
	};
}

return view.extend({
	load() {
		return Promise.all([ uci.load(fields.CONFIG).then(() => null, error => error), knock.check(), knock.mayCall('otp_forgive') ]);
	},

	render([ error, check, mayForgive ]) {
		if (error) {
			this.handleSave = this.handleSaveApply = this.handleReset = null;

			return findings.unreadable(_('One-time Passwords'), error, check);
		}

		/* A file of an older version gets the section with what is saved first. */
		if (uci.get(fields.CONFIG, 'page') == null)
			uci.add(fields.CONFIG, 'page', 'page');

		const map = new form.Map(fields.CONFIG, _('One-time Passwords'),
			_('A password that is good once opens a port from any browser: from a card in the wallet, or from an authenticator app. No client is needed, and no key.'));

		desk = Desk(mayForgive);
		desk.checked(check);

		const users = map.section(Users, 'otp');

		users.addremove = true;
		users.nodescriptions = true;
		users.modaltitle = section_id => '%h'.format(_('One-time passwords of %s').format(section_id));
		users.delbtntitle = _('Remove');
		otpsection.addOptions(users, desk.holders);

		const page = map.section(form.NamedSection, 'page', 'page', _('The page that asks for them'));

		pagesection.addOptions(page);

		return desk.look().then(() => map.render()).then(node => {
			const orphanSection = desk.begin(map);

			desk.show();
			poll.add(() => desk.look(), EVERY);

			return E([], [ desk.nodes.strip, desk.nodes.lacks, node, E('div', { 'class': 'cbi-section' }, [ desk.nodes.where, desk.nodes.waiting ]), orphanSection ]);
		});
	}
});
