'use strict';
'require baseclass';
'require tools.widgets as widgets';
'require spa-knockd.fields as fields';
'require spa-knockd.networks as networks';
'require spa-knockd.validate as validate';
'require spa-knockd.validatepage as validatepage';

/*
 * The fields of the page that asks for one-time passwords: who gets to see it, and how it is served.
 */

function addVisitors(s) {
	let o;

	o = s.taboption('visitors', fields.Flag, 'enabled', _('Enabled'),
		_('Whether there is a page. It is a web server of its own; LuCI is not reached through it. It needs one user with passwords.'));

	o = s.taboption('visitors', fields.List, 'host', _('Names of the page'), _('Names or addresses under which the page answers, without a port. Empty: whatever leads to it.'));
	o.placeholder = 'knock.example.net';
	o.validate = fields.checkedBy(validatepage.host);

	o = s.taboption('visitors', widgets.NetworkSelect, 'plain_network', _('Networks without TLS'),
		_('Networks of the router whose visitors may come without TLS. Whoever listens there gets the password first. Empty: none.'));
	o.multiple = true;
	o.validate = fields.eachCheckedBy(validate.identifier);
	networks.keepUnknown(o);

	o = s.taboption('visitors', fields.List, 'plain_from', _('Addresses without TLS'), _('The same by addresses and networks. Empty: none besides.'));
	o.placeholder = '192.168.1.0/24';
	o.validate = fields.checkedBy(validatepage.plainNetwork);

	o = s.taboption('visitors', fields.List, 'proxy', _('Proxies'),
		_('Addresses and networks of proxies of your own, whose X-Forwarded-For says who the visitor is. Empty: the header is ignored.'));
	o.placeholder = '192.168.1.5';
	o.validate = fields.checkedBy(validatepage.proxy);
}

function addServer(s) {
	let o;

	o = s.taboption('server', fields.Value, 'port', _('Port'), _('The port with TLS, 1024 or above. The firewall lets everybody reach it. 0: another web server serves the page.'));
	o.placeholder = '8443';
	o.validate = fields.checkedBy(validatepage.port);

	o = s.taboption('server', fields.Value, 'plain_port', _('Port without TLS'), _('For visitors from the networks that may come without TLS. 0: none.'));
	o.placeholder = '0';
	o.validate = fields.checkedBy(validatepage.port);

	o = s.taboption('server', fields.List, 'listen', _('Addresses'), _('Addresses of the router at which the page is. Empty: all.'));
	o.placeholder = '192.168.1.1';
	o.validate = fields.checkedBy(validatepage.hostAddress);

	o = s.taboption('server', fields.Value, 'cert', _('Certificate'), _('The file of the certificate. Empty: one that is made for the page alone.'));
	o.placeholder = '/etc/spa-knockd/page.crt';
	o.validate = fields.checkedBy(validatepage.path);

	o = s.taboption('server', fields.Value, 'key', _('Key of the certificate'), _('The file of its key; the key itself is never shown.'));
	o.placeholder = '/etc/spa-knockd/page.key';
	o.validate = fields.checkedBy(validatepage.path);
}

return baseclass.extend({
	addOptions(s) {
		s.tab('visitors', _('Visitors'));
		s.tab('server', _('Web server'));

		addVisitors(s);
		addServer(s);
	}
});
