'use strict';
'require baseclass';
'require spa-knockd.agree as agree';
'require spa-knockd.common as common';
'require spa-knockd.fields as fields';
'require spa-knockd.keys as keys';
'require spa-knockd.validate as validate';

/*
 * The fields of a user: those of the grid, and those of its dialog, tab by tab.
 */

const LIMITS = validate.LIMITS;

/* What a user may open, in a few words. */
function opens(section) {
	const words = agree.list(section.open).map(port => (port == 'any') ? _('any port') : port);

	if (agree.isOn(section.allow_nat, false))
		words.push(_('hosts that the knock names'));

	return [ ...words, ...agree.list(section.forward), ...agree.list(section.command).map(validate.commandName) ].join(', ');
}

function addGeneral(s) {
	let o;

	o = s.taboption('general', fields.Flag, 'enabled', _('Enabled'), _('Whether this user may knock.'));
	o.default = '1';
	o.editable = true;

	o = s.taboption('general', fields.Choice, 'format', _('Format'), _('The packets that the client sends.'));
	o.value('fwknop', 'fwknop');
	o.default = 'fwknop';

	o = s.taboption('general', fields.List, 'open', _('May open'),
		_('Ports of the router, and outside ports of forwards that the knock names: one each, such as tcp/22 or udp/1194. The word any leaves the choice to the client.'));
	o.placeholder = 'tcp/22';
	o.validate = fields.checkedBy(validate.portOrAny);
	o.textvalue = function(section_id) {
		return '%h'.format(opens(this.map.data.get(fields.CONFIG, section_id) ?? {}) || _('nothing'));
	};

	o = s.taboption('general', fields.List, 'restrict', _('May never open'), _('Ports that stay closed to this user, even where any is allowed.'));
	o.placeholder = 'tcp/80';
	o.validate = fields.checkedBy(validate.port);

	o = s.taboption('general', fields.Value, 'timeout', _('Stays open for'),
		_('Seconds for which a knock opens, where the client asks for no time. Connections that were made in that time go on afterwards.'));
	o.placeholder = '30';
	o.validate = fields.checkedBy(validate.number(1, LIMITS.timeout));
	o.textvalue = function(section_id) {
		return '%h s'.format(this.cfgvalue(section_id) || '30');
	};
}

function addLimits(s) {
	let o;

	o = s.taboption('limits', fields.Value, 'max_timeout', _('Longest time'), _('Seconds that a client may ask for; the settings have a limit for all users.'));
	o.placeholder = '300';
	o.validate = fields.checkedBy(validate.number(1, LIMITS.timeout));

	common.addExpires(s);

	o = s.taboption('limits', fields.Flag, 'require_source_address', _('Knock must name the address'),
		_('The address to open for must be inside the encrypted packet, because the sender of a packet can be forged. Off: knocks with 0.0.0.0 open for the sender.'));
	o.default = '1';

	o = s.taboption('limits', fields.List, 'source', _('May knock from'), _('Addresses and networks, IPv4 and IPv6. Empty: from everywhere.'));
	o.placeholder = '203.0.113.0/24';
	o.validate = fields.checkedBy(validate.network);

	o = s.taboption('limits', fields.List, 'destination', _('May knock at'), _('Addresses of the router that knocks of this user may be sent to. Empty: all of them.'));
	o.placeholder = '198.51.100.1';
	o.validate = fields.checkedBy(validate.network);

	o = s.taboption('limits', fields.Value, 'require_username', _('User name in the packet'),
		_('Refuse knocks with another user name than this. The phone app sends a name that Android chose.'));
	o.placeholder = _('any');
	o.validate = fields.checkedBy(validate.username);

	o = s.taboption('limits', fields.Flag, 'match_destination', _('Only towards the address knocked at'),
		_('Opens the port at that one address of the router, not at all of them.'));

	common.addPrefixes(s);
}

function addForward(s) {
	let o;

	o = s.taboption('forward', fields.List, 'forward', _('Forwards'),
		_('An outside port, and the host behind the router that it leads to: tcp/2222=192.168.1.10:22, or any=192.168.1.10:22 for every outside port. IPv6 is not translated: tcp/22=[2001:db8::10]:22.'));
	o.placeholder = 'tcp/2222=192.168.1.10:22';
	o.validate = fields.checkedBy(validate.forward);

	o = s.taboption('forward', fields.Flag, 'allow_nat', _('Knock may name a host'),
		_('The client says to which host and port behind the router it wants to be led; what it may open judges the outside port.'));

	o = s.taboption('forward', fields.List, 'nat_target', _('Hosts that it may name'), _('Addresses and networks. Empty: the networks of all devices that are not watched.'));
	o.placeholder = '192.168.1.0/24';
	o.validate = fields.checkedBy(validate.natTarget);
	o.depends('allow_nat', '1');

	o = s.taboption('forward', fields.Flag, 'allow_local_nat', _('Knock may name another port of the router'), _('The client says which port of the router itself the outside port leads to.'));

	o = s.taboption('forward', fields.Flag, 'nat_dns', _('Knock may use a host name'),
		_('The router looks the name up, and the address is judged as if the client had named it. The seccomp file of procd must not be used then.'));
	o.depends('allow_nat', '1');
	o.depends('allow_local_nat', '1');

	common.addForwarding(s);
}

function addAdvanced(s) {
	let o;

	o = s.taboption('advanced', fields.List, 'command', _('Commands'),
		_('What the client may have run, by its name: a name, =, the full path of a program and its arguments. No shell reads them, and nothing of the packet goes into them. 16 at most.'));
	o.placeholder = 'wol=/usr/bin/etherwake -i br-lan 00:11:22:33:44:55';
	o.validate = fields.checkedBy(validate.command);

	o = s.taboption('advanced', fields.Value, 'command_user', _('Run commands as'), _('The user of the router that commands run as.'));
	o.placeholder = 'nobody';
	o.validate = fields.checkedBy(validate.commandUser);

	o = s.taboption('advanced', fields.Value, 'on_open', _('Run on opening'), _('The name of the command that runs after a knock has opened something.'));
	o.placeholder = _('none');

	o = s.taboption('advanced', fields.Value, 'on_close', _('Run on closing'), _('The name of the command that runs when the last of what a knock opened is closed again.'));
	o.placeholder = _('none');
}

return baseclass.extend({
	/* Adds every field of a user to a section; the grid shows four of them. */
	addOptions(s) {
		s.tab('general', _('General'));
		/* Not 'keys': LuCI keeps tabs in an array, which has that already. */
		s.tab('keyring', _('Keys'));
		s.tab('limits', _('Limits'));
		s.tab('forward', _('Forward'));
		s.tab('advanced', _('Advanced'));

		addGeneral(s);
		keys.addOptions(s);
		addLimits(s);
		addForward(s);
		addAdvanced(s);

		for (const o of s.children)
			o.modalonly = [ 'enabled', 'format', 'open', 'timeout' ].includes(o.option) ? null : true;
	},

	opens
});
