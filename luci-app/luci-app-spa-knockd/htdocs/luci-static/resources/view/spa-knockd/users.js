'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.dialogs as dialogs';
'require spa-knockd.fields as fields';
'require spa-knockd.findings as findings';
'require spa-knockd.newuser as newuser';
'require spa-knockd.provisioning as provisioning';
'require spa-knockd.rpc as knock';
'require spa-knockd.stanza as stanza';
'require spa-knockd.validate as validate';

/*
 * The users: who may knock, with which keys, and what that opens.
 */

function isSwitchedOff() {
	return !agree.isOn(uci.get(fields.CONFIG, 'main', 'enabled'), false);
}

/* A grid of users with a button that connects a client. */
const Users = form.GridSection.extend({
	renderSectionAdd() {
		const isFull = uci.sections(fields.CONFIG, 'access').length >= validate.LIMITS.stanzas;

		return E('div', { 'class': 'cbi-section-create cbi-tblsection-create' }, [
			E('button', {
				'type': 'button',
				'class': 'cbi-button cbi-button-add',
				'click': ui.createHandlerFn(this, () => newuser.open(this.map, [], this.checked)),
				'disabled': (this.map.readonly || isFull) ? '' : null,
				'title': isFull ? _('There are no more than %d users.').format(validate.LIMITS.stanzas) : null
			}, [ _('New user…') ])
		]);
	},

	renderRowActions(section_id) {
		const cell = this.super('renderRowActions', [ section_id ]);

		cell.lastElementChild.prepend(E('button', {
			'type': 'button',
			'class': 'btn cbi-button cbi-button-action',
			'title': _('Show QR code, .fwknoprc and command for this user'),
			'click': ui.createHandlerFn(this, () => provisioning.open(section_id, this.checked))
		}, [ _('Connect…') ]));

		return cell;
	},

	handleModalSave(...args) {
		dialogs.sayWhyNotSaved(this.getActiveModalMap());

		return this.super('handleModalSave', args);
	}
});

return view.extend({
	load() {
		return Promise.all([ uci.load(fields.CONFIG).then(() => null, error => error), knock.check() ]);
	},

	render([ error, check ]) {
		if (error) {
			this.handleSave = this.handleSaveApply = this.handleReset = null;

			return findings.unreadable(_('Users'), error, check);
		}

		const map = new form.Map(fields.CONFIG, _('Users'),
			_('Everybody and every device that may knock has a user with keys of its own, so that one can be refused without the others.'));
		const s = map.section(Users, 'access');

		const strip = E('div', {}, [ findings.render(check, isSwitchedOff()) ]);

		s.checked = reply => strip.replaceChildren(findings.render(reply, isSwitchedOff()));
		s.addremove = true;
		s.nodescriptions = true;
		s.modaltitle = section_id => '%h'.format(_('User %s').format(section_id));
		stanza.addOptions(s);

		return map.render().then(node => {
			this.follow(map, s.checked);

			return E([], [ strip, node ]);
		});
	},

	/* What a link to the page asks for, once the page stands. */
	follow(map, checked) {
		const query = window.location.search;
		const name = new URLSearchParams(query).get('provision');
		const forwards = newuser.forwardsOf(query);

		window.requestAnimationFrame(() => {
			if (forwards.length && !map.readonly)
				newuser.open(map, forwards, checked);
			else if (name && uci.get(fields.CONFIG, name)?.['.type'] == 'access')
				provisioning.open(name, checked);
		});
	}
});
