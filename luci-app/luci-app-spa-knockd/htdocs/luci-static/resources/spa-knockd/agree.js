'use strict';
'require baseclass';
'require spa-knockd.validate as validate';

/*
 * Whether the options of one section agree with each other, as the daemon's parser judges it. Each question gives an
 * object that has, for an option that is wrong, what is wrong. Lists are arrays or single texts; '' counts as none.
 */

function list(value) {
	return (Array.isArray(value) ? value : [ value ]).filter(one => one != null && one !== '').map(String);
}

function text(value) {
	return list(value)[0] ?? '';
}

/* Ports as they are compared: the parser takes 'tcp/0022' for 'tcp/22'. */
function portList(value) {
	return list(value).map(port => port.replace(/\/0+(?=[0-9])/, '/'));
}

function isOn(value, byDefault) {
	const flag = validate.flagOf(text(value));

	return (flag === undefined || flag === null) ? byDefault : flag == '1';
}

/* Notes what is wrong, the first complaint about an option alone. */
function Faults() {
	const faults = {};

	return {
		faults,
		add(option, isWrong, message) {
			if (isWrong && faults[option] == null)
				faults[option] = message;
		}
	};
}

/* The key that an option holds, as a string of its bytes; null where there is none, or none that can be read. */
function keyOf(option, value) {
	if (value == '' || validate.isPlaceholder(value))
		return null;

	if (/_base64$/.test(option))
		return (validate.base64Length(value) != null) ? atob(value.replace(/=+$/, '')) : null;

	return String.fromCharCode(...new TextEncoder().encode(value));
}

/* The key of two options that exclude each other. */
function oneOf(values, plain, base64) {
	return keyOf(plain, text(values[plain])) ?? keyOf(base64, text(values[base64]));
}

/* How the names of a digest or mode are compared. */
function sameWord(one, other) {
	return one.toLowerCase() == other.toLowerCase();
}

function isAnyOf(words, value) {
	return value == '' || words.some(word => sameWord(word, value));
}

function flags(values, names, add) {
	for (const name of names)
		add(name, validate.flagOf(text(values[name])) === null, _('This must be 1 or 0.'));
}

function keys(values, enabled, add) {
	const has = name => text(values[name]) != '';
	const twice = _('Give the key as a passphrase or as base64, not both.');
	const placeholder = _('The placeholder was never changed: make new keys.');
	const same = _('The HMAC key and the encryption key must differ.');

	add('key_base64', has('key') && has('key_base64'), twice);
	add('hmac_key_base64', has('hmac_key') && has('hmac_key_base64'), twice);

	for (const name of [ 'key', 'key_base64', 'hmac_key', 'hmac_key_base64' ])
		add(name, enabled && validate.isPlaceholder(text(values[name])), placeholder);

	for (const name of [ 'next_key_base64', 'next_hmac_key_base64' ])
		add(name, validate.isPlaceholder(text(values[name])), placeholder);

	add('key_base64', enabled && !has('key') && !has('key_base64'), _('There is no encryption key: make new keys.'));
	add('hmac_digest', !isAnyOf(validate.DIGESTS, text(values.hmac_digest)), _('There is no such digest.'));
	add('encryption_mode', !isAnyOf(validate.MODES, text(values.encryption_mode)), _('There is no such mode.'));

	const key = oneOf(values, 'key', 'key_base64');
	const hmac = oneOf(values, 'hmac_key', 'hmac_key_base64');
	const next = keyOf('next_key_base64', text(values.next_key_base64));
	const nextHmac = keyOf('next_hmac_key_base64', text(values.next_hmac_key_base64));

	add(has('hmac_key') ? 'hmac_key' : 'hmac_key_base64', key != null && key === hmac, same);
	add('next_hmac_key_base64', next != null && next === nextHmac, same);
	add('next_hmac_key_base64', has('next_hmac_key_base64') && !has('next_key_base64'), _('Give both next keys or none.'));
	add('next_key_base64', has('next_key_base64') && !has('next_hmac_key_base64') && (has('hmac_key') || has('hmac_key_base64')),
		_('Give both next keys: this user has an HMAC key. A key that stays is given again.'));
	add('next_key_base64', next != null && next === key && nextHmac === hmac, _('The next keys are the present ones: make new ones.'));
}

/* The word any stands alone. */
function anyAlone(values, names, add) {
	for (const name of names)
		add(name, list(values[name]).includes('any') && list(values[name]).length > 1, _('Remove any, or the other values.'));
}

function ports(values, enabled, add) {
	const open = portList(values.open);
	const restrict = portList(values.restrict);
	const nothingElse = !list(values.forward).length && !list(values.command).length;

	anyAlone(values, [ 'source', 'destination', 'open' ], add);

	add('open', enabled && nothingElse && !open.length, _('This user could open nothing: name a port, a forward or a command.'));
	add('restrict', restrict.includes('any'), _('This would leave nothing to open.'));
	add('restrict', nothingElse && open.length > 0 && open.every(port => restrict.includes(port)),
		_('This user could open nothing: every port is forbidden here.'));
}

function forwards(values, add) {
	const parsed = list(values.forward).map(validate.parseForward).filter(forward => forward != null);
	const restrict = portList(values.restrict);
	const seen = new Map();

	for (const { outside: written, bytes, port } of parsed) {
		const [ outside ] = portList(written);
		const key = `${outside} ${bytes.length}`;
		const service = `${bytes} ${port}`;

		add('forward', seen.has(key) && seen.get(key) != service, _('%s is forwarded to two places.').format(outside));
		add('forward', restrict.includes(outside), _('The outside port %s is one of those that may never be opened.').format(outside));
		seen.set(key, service);
	}

	const isOnNat = isOn(values.allow_nat, false);
	const isOnLocal = isOn(values.allow_local_nat, false);
	const toHosts = list(values.forward).length > 0 || isOnNat;
	const useless = _('There is no forward that this could be for.');
	const v4 = isOnNat || isOnLocal || parsed.some(({ bytes }) => bytes.length == 4);
	const v6 = isOnNat || isOnLocal || parsed.some(({ bytes }) => bytes.length == 16);
	const narrow = name => text(values[name]) != '' && Number(text(values[name])) < ((name == 'prefix_v4') ? 32 : 128);
	const wide = _('A forward is for one address, so grants cannot be widened here.');

	add('snat', text(values.snat) != '' && !toHosts, useless);
	add('forward_all', isOn(values.forward_all, false) && !toHosts, useless);
	add('disable_dnat', isOn(values.disable_dnat, false) && !toHosts && !isOnLocal, useless);
	add('match_destination', isOn(values.match_destination, false) && (narrow('prefix_v4') || narrow('prefix_v6')),
		_('This cannot stand beside widened grants.'));
	add('match_destination', isOn(values.match_destination, false) && v4, _('This cannot stand beside forwards.'));
	add('prefix_v4', v4 && narrow('prefix_v4'), wide);
	add('prefix_v6', v6 && narrow('prefix_v6'), wide);
}

function commands(values, add) {
	const names = list(values.command).map(validate.commandName);

	add('command', new Set(names).size < names.length, _('Two commands have the same name.'));
	add('command', names.length > validate.LIMITS.commands, _('There are more than %d commands.').format(validate.LIMITS.commands));

	for (const name of [ 'on_open', 'on_close' ])
		add(name, text(values[name]) != '' && !names.includes(text(values[name])), _('There is no command of this name.'));
}

/* What is wrong with a user. */
function stanza(values) {
	const { faults, add } = Faults();
	const enabled = isOn(values.enabled, true);

	flags(values, [ 'enabled', 'allow_nat', 'allow_local_nat', 'nat_dns', 'forward_all', 'disable_dnat', 'match_destination',
		'require_source_address' ], add);
	add('format', ![ '', 'fwknop' ].includes(text(values.format)), _('This version knows the format fwknop alone.'));
	keys(values, enabled, add);
	ports(values, enabled, add);
	forwards(values, add);
	commands(values, add);

	return faults;
}

/* What is wrong with a user of one-time passwords. */
function otp(values) {
	const { faults, add } = Faults();

	flags(values, [ 'enabled', 'forward_all', 'disable_dnat', 'allow_override', 'allow_md4', 'allow_new_chain' ], add);
	anyAlone(values, [ 'source' ], add);
	add('open', isOn(values.enabled, true) && !list(values.open).length && !list(values.forward).length,
		_('These passwords would open nothing: name a port or a forward.'));
	forwards(values, add);

	return faults;
}

/* Which ports the users may open; null where that is left to them. */
function opened(stanzas) {
	const outside = stanzas.flatMap(values => list(values.forward).map(forward => forward.split('=')[0]));
	const all = portList([ ...stanzas.flatMap(values => list(values.open)), ...outside ]);

	return all.includes('any') ? null : all;
}

/* Which ports the daemon guards by itself; null where that cannot be known. */
function guardedPorts(values, stanzas) {
	const protect = portList(values?.protect);

	return protect.length ? protect : opened(stanzas.filter(one => isOn(one.enabled, true)));
}

/* The ports of the page of one-time passwords, where there is one. */
function pagePorts(values) {
	return isOn(values?.enabled, false) ? [ text(values.port) || '8443', text(values.plain_port) || '0' ].map(Number).filter(port => port > 0) : [];
}

/* What is wrong with the page of one-time passwords, beside the main section and these users. */
function page(values, mainValues, stanzas) {
	const { faults, add } = Faults();
	const guarded = (mainValues?.firewall == 'standalone') ? guardedPorts(mainValues, stanzas) ?? [] : [];
	const isTaken = port => port == text(mainValues?.tcp_listen) || guarded.includes(`tcp/${port}`);

	flags(values, [ 'enabled' ], add);
	const plain = Number(text(values.plain_port)), tls = Number(text(values.port) || '8443');

	add('plain_port', plain > 0 && plain == tls, _('This is the port with TLS.'));
	add('plain_port', plain > 0 && tls == 0, _('Another web server serves the page, for the port with TLS is 0.'));
	add('cert', text(values.cert) != '' && text(values.key) == '', _('Name the certificate and its key, or neither.'));
	add('key', text(values.key) != '' && text(values.cert) == '', _('Name the certificate and its key, or neither.'));

	for (const name of [ 'port', 'plain_port' ])
		add(name, pagePorts({ enabled: values.enabled, port: '0', plain_port: '0', [name]: values[name] || ((name == 'port') ? '8443' : '0') }).some(isTaken),
			_('A listener for knocks is at this port, or the daemon guards it.'));

	return faults;
}

/* What is wrong with the main section, beside these users and the page of one-time passwords. */
function main(values, stanzas, pageValues) {
	const { faults, add } = Faults();
	const transports = list(values.transport);
	const standalone = text(values.firewall) == 'standalone';
	const guarded = guardedPorts(values, stanzas);
	const pages = pagePorts(pageValues);

	flags(values, [ 'enabled', 'any_user_agent', 'trust_forwarded_for' ], add);
	add('port', list(values.port).length > validate.LIMITS.portRanges, _('There are more than %d ports and ranges.').format(validate.LIMITS.portRanges));
	add('transport', transports.some(one => ![ 'udp', 'tcp', 'icmp', 'http' ].includes(one)), _('There is no such transport.'));
	add('firewall', ![ '', 'fw4', 'standalone' ].includes(text(values.firewall)), _('There is no such firewall.'));
	add('log_level', ![ '', 'error', 'warn', 'info', 'debug', 'trace' ].includes(text(values.log_level)), _('There is no such level.'));

	for (const name of [ 'any_user_agent', 'trust_forwarded_for' ])
		add(name, isOn(values[name], false) && !transports.includes('http'), _('This is about HTTP, which is not among the transports.'));

	add('protect', standalone && guarded == null, _('Name the ports to guard, because a user may open any port.'));
	add('tcp_listen', standalone && (guarded ?? []).includes(`tcp/${Number(text(values.tcp_listen))}`),
		_('This port is guarded, so nobody could knock there.'));
	add('tcp_listen', pages.includes(Number(text(values.tcp_listen))), _('The page of one-time passwords is at this port.'));
	add('protect', standalone && pages.some(port => (guarded ?? []).includes(`tcp/${port}`)),
		_('The page of one-time passwords is at a port that would be guarded.'));

	return faults;
}

return baseclass.extend({ list, text, isOn, sameWord, stanza, otp, page, main });
