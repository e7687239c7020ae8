'use strict';
'require baseclass';
'require spa-knockd.fields as fields';
'require spa-knockd.validate as validate';

/*
 * The fields that users who knock and users of one-time passwords have alike, in the tabs `limits` and `forward`.
 */

return baseclass.extend({
	addExpires(s) {
		const o = s.taboption('limits', fields.Value, 'expires', _('Ends'),
			_('From when on this user is refused, in UTC: 2030-12-31, which means the beginning of that day, or 2030-12-31T18:00:00Z. Empty: never.'));

		o.placeholder = _('never');
		o.validate = fields.checkedBy(validate.expires);
	},

	addPrefixes(s) {
		let o;

		o = s.taboption('limits', fields.Value, 'prefix_v4', _('IPv4 prefix'),
			_('For how many leading bits of the address is opened, 8 to 32. Below 32 a whole network comes in: for carriers that change addresses.'));
		o.placeholder = '32';
		o.validate = fields.checkedBy(validate.number(8, 32));

		o = s.taboption('limits', fields.Value, 'prefix_v6', _('IPv6 prefix'), _('The same for IPv6, 16 to 128; 64 is one household.'));
		o.placeholder = '128';
		o.validate = fields.checkedBy(validate.number(16, 128));
	},

	/* How forwards are made. */
	addForwarding(s) {
		let o;

		o = s.taboption('forward', fields.Flag, 'forward_all', _('Open the whole host'), _('A forward opens every protocol and port of its host, not only the one.'));

		o = s.taboption('forward', fields.Flag, 'disable_dnat', _('Do not translate'), _('The client knows a route to the host, and connects to its own address.'));

		o = s.taboption('forward', fields.Value, 'snat', _('Translate the source'),
			_('For a host whose gateway is another machine: masquerade, or the IPv4 address of the router that the host knows. Empty: the host sees the address of the client.'));
		o.placeholder = _('none');
		o.validate = fields.checkedBy(validate.snat);
	}
});
