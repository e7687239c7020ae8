'use strict';
'require baseclass';
'require form';
'require spa-knockd.common as common';
'require spa-knockd.fields as fields';
'require spa-knockd.stanza as stanza';
'require spa-knockd.validate as validate';

/*
 * The fields of a user of one-time passwords: those of the grid, and those of its dialog, tab by tab. The passwords
 * themselves are not among them: they are in no file that LuCI reads.
 */

function addGeneral(s, holders) {
	let o;

	o = s.taboption('general', fields.Flag, 'enabled', _('Enabled'), _('Whether the passwords of this user are taken.'));
	o.default = '1';
	o.editable = true;

	o = s.taboption('general', fields.List, 'open', _('Opens'), _('Ports of the router, one each, such as tcp/22 or udp/1194.'));
	o.placeholder = 'tcp/22';
	o.validate = fields.checkedBy(validate.port);
	o.textvalue = function(section_id) {
		return '%h'.format(stanza.opens(this.map.data.get(fields.CONFIG, section_id) ?? {}) || _('nothing'));
	};

	o = s.taboption('general', fields.Value, 'timeout', _('Stays open for'),
		_('Seconds for which a password opens. Connections that were made in that time go on afterwards.'));
	o.placeholder = '300';
	o.validate = fields.checkedBy(validate.number(1, validate.LIMITS.timeout));
	o.textvalue = function(section_id) {
		return '%h s'.format(this.cfgvalue(section_id) || '300');
	};

	o = s.taboption('general', form.DummyValue, '_passwords', _('Passwords'));
	o.modalonly = false;
	o.textvalue = section_id => '%h'.format(holders.passwords(section_id));

	o = s.taboption('general', form.DummyValue, '_lock', _('Locked'));
	o.modalonly = false;
	o.textvalue = section_id => '%h'.format(holders.lock(section_id));
}

function addLimits(s) {
	let o;

	common.addExpires(s);

	o = s.taboption('limits', fields.List, 'source', _('May come from'), _('Addresses and networks of visitors, IPv4 and IPv6. Empty: from everywhere.'));
	o.placeholder = '203.0.113.0/24';
	o.validate = fields.checkedBy(validate.network);

	o = s.taboption('limits', fields.Flag, 'allow_override', _('May name another address'),
		_('The page has a field for the address to open for. Off: it opens for the address from which the visitor comes.'));

	o = s.taboption('limits', fields.List, 'override_range', _('Which addresses'), _('Addresses and networks that may be named. Empty: any that visitors may come from and that is not in the networks of the router.'));
	o.placeholder = '198.51.100.0/24';
	o.validate = fields.checkedBy(validate.overrideRange);
	o.depends('allow_override', '1');

	common.addPrefixes(s);
}

function addForward(s) {
	const o = s.taboption('forward', fields.List, 'forward', _('Forwards'),
		_('An outside port, and the host behind the router that it leads to: tcp/2222=192.168.1.10:22. IPv6 is not translated: tcp/22=[2001:db8::10]:22.'));

	o.placeholder = 'tcp/2222=192.168.1.10:22';
	o.validate = fields.checkedBy(validate.portForward);

	common.addForwarding(s);
}

function addAdvanced(s) {
	s.taboption('advanced', fields.Flag, 'allow_md4', _('Take passwords of md4'),
		_('For calculators that know nothing else. The passwords that are made here are of md5, which every calculator knows.'));

	s.taboption('advanced', fields.Flag, 'allow_new_chain', _('Take a new card with a password'),
		_('A calculator may begin a new card with one password (init-hex:, init-word:), which ends the old one. So may whoever has stolen a single password, for good.'));
}

return baseclass.extend({
	/* Adds every field of a user to a section; `holders` says what is known of the passwords. */
	addOptions(s, holders) {
		s.tab('general', _('General'));
		s.tab('limits', _('Limits'));
		s.tab('forward', _('Forward'));
		s.tab('advanced', _('Advanced'));

		addGeneral(s, holders);
		addLimits(s);
		addForward(s);
		addAdvanced(s);

		for (const o of s.children)
			o.modalonly ??= [ 'enabled', 'open', 'timeout' ].includes(o.option) ? null : true;
	}
});
