'use strict';
'require view';
'require form';
'require uci';
'require tools.widgets as widgets';
'require spa-knockd.agree as agree';
'require spa-knockd.fields as fields';
'require spa-knockd.findings as findings';
'require spa-knockd.networks as networks';
'require spa-knockd.rpc as knock';
'require spa-knockd.validate as validate';

/*
 * The main section: where knocks are awaited, how, and what holds for all users.
 */

const LIMITS = validate.LIMITS;

function addGeneral(s) {
	let o;

	o = s.taboption('general', fields.Flag, 'enabled', _('Enabled'), _('Whether the daemon runs. It needs one user with keys.'));

	o = s.taboption('general', widgets.NetworkSelect, 'network', _('Networks'), _('Where knocks come from. Neither a network nor a device: the network wan.'));
	o.multiple = true;
	o.validate = fields.eachCheckedBy(validate.identifier);
	networks.keepUnknown(o);

	o = s.taboption('general', fields.List, 'device', _('Devices'), _('Devices to watch besides, where no network stands for them.'));
	o.placeholder = 'eth0';
	o.validate = fields.checkedBy(validate.device);

	o = s.taboption('general', widgets.ZoneSelect, 'zone', _('Firewall zones'), _('The zones in which a knock opens. Empty: the zones of the networks.'));
	o.multiple = true;
	o.validate = fields.eachCheckedBy(validate.identifier);

	o = s.taboption('general', fields.Value, 'max_age', _('Greatest age of a knock'),
		_('Seconds by which the clocks of client and router may differ, 1 to 100000. 0 is for routers that never know the time: then the times in the knocks of a user must only rise.'));
	o.placeholder = '120';
	o.validate = fields.checkedBy(validate.number(0, LIMITS.maxAge));

	o = s.taboption('general', fields.Value, 'max_timeout', _('Longest time'), _('No knock opens anything for longer than these seconds, whatever a user may ask for.'));
	o.placeholder = '3600';
	o.validate = fields.checkedBy(validate.number(1, LIMITS.timeout));
}

function addTransport(s) {
	let o;

	o = s.taboption('transport', fields.List, 'port', _('Ports'),
		_('Destination ports at which knocks are looked for, or ranges such as 10000-65535. No port is opened for that. The default of every client is 62201.'));
	o.placeholder = '62201';
	o.validate = fields.checkedBy(validate.portRange);

	o = s.taboption('transport', fields.Several, 'transport', _('Transports'),
		_('What carries the knocks. TCP and HTTP need somebody who answers at the port: another server, or the listener below.'));
	o.value('udp', 'UDP');
	o.value('tcp', 'TCP');
	o.value('icmp', 'ICMP');
	o.value('http', 'HTTP');
	o.placeholder = 'UDP';

	o = s.taboption('transport', fields.Value, 'tcp_listen', _('TCP listener'),
		_('A port at which the daemon itself takes TCP connections and never answers. Every scan sees that port open, and a firewall rule of yours has to let it in. Empty: none.'));
	o.placeholder = _('none');
	o.validate = fields.checkedBy(validate.portNumber);

	o = s.taboption('transport', fields.Flag, 'any_user_agent', _('Any HTTP client'), _('Requests need not say that fwknop made them; the phone app needs this over HTTP.'));

	o = s.taboption('transport', fields.Flag, 'trust_forwarded_for', _('Trust X-Forwarded-For'),
		_('Where a knock over HTTP names no address, the header does. Nothing protects the header: only for a proxy of your own that replaces it.'));
}

function addFirewall(s) {
	let o;

	o = s.taboption('firewall', fields.Choice, 'firewall', _('Firewall'), _('Who guards the ports: the firewall of OpenWrt, or the daemon where nothing else does.'));
	o.value('fw4', _('fw4, the firewall of OpenWrt'));
	o.value('standalone', _('standalone: the daemon guards the ports itself'));
	o.default = 'fw4';

	o = s.taboption('firewall', fields.List, 'protect', _('Guarded ports'), _('Ports that are closed to everybody who has not knocked. Empty: the ports that users may open.'));
	o.placeholder = 'tcp/22';
	o.validate = fields.checkedBy(validate.port);
	o.depends('firewall', 'standalone');

	o = s.taboption('firewall', fields.Flag, 'jail', _('In a jail'),
		_('Where OpenWrt has its jail, the daemon sees only its own files. It is never used with commands, looked-up names or a listener below port 1024.'));
	o.default = '1';
}

function addLogging(s) {
	let o;

	o = s.taboption('logging', fields.Choice, 'log_level', _('Log level'), _('What is written into the system log; info has every knock that was honoured or refused.'));
	o.default = 'info';
	o.value('error', _('Errors'));
	o.value('warn', _('Warnings'));
	o.value('info', _('Information'));
	o.value('debug', _('Debugging'));
	o.value('trace', _('Everything'));

	o = s.taboption('logging', fields.Value, 'ring_kib', _('Memory for packets that wait'),
		_('KiB for each device, 64 to 65536. The default outlasts 10 ms of a flood of 100,000 packets a second.'));
	o.placeholder = '2048';
	o.validate = fields.checkedBy(validate.number(64, 65536));
}

return view.extend({
	load() {
		return Promise.all([ uci.load(fields.CONFIG).then(() => null, error => error), knock.check() ]);
	},

	render([ error, check ]) {
		if (error) {
			this.handleSave = this.handleSaveApply = this.handleReset = null;

			return findings.unreadable(_('Settings'), error, check);
		}

		/* A file from which the section was lost gets it back with what is saved first. */
		if (uci.get(fields.CONFIG, 'main') == null)
			uci.add(fields.CONFIG, 'spa-knockd', 'main');

		const map = new form.Map(fields.CONFIG, _('Settings'),
			_('The daemon watches for knocks without opening a port, and adds those who know the keys to the firewall for a short time.'));
		const s = map.section(form.NamedSection, 'main', 'spa-knockd');

		s.tab('general', _('General'));
		s.tab('transport', _('Knocks'));
		s.tab('firewall', _('Firewall'));
		s.tab('logging', _('Logging'));

		addGeneral(s);
		addTransport(s);
		addFirewall(s);
		addLogging(s);

		return map.render().then(node => E([], [ findings.render(check, !agree.isOn(uci.get(fields.CONFIG, 'main', 'enabled'), false)), node ]));
	}
});
