'use strict';
'require baseclass';
'require spa-knockd.agree as agree';
'require spa-knockd.validate as validate';

/*
 * What a client needs, as text: the QR code of the phone app, the stanza of .fwknoprc, and the command line, which has
 * no secret in it. A stanza is an object of UCI values; a server is
 * { name, port, transport, tcp_listen }: how clients reach it, and what the main section says. Where something cannot be given, `problem` says why; `notes` are for people.
 */

const DEFAULT_PORT = 62201;

const isOn = agree.isOn;
const list = agree.list;
const text = agree.text;

/* The stanza as a client has it that already uses the next keys. */
function withNextKeys(stanza) {
	if (text(stanza.next_key_base64) == '')
		return stanza;

	return Object.assign({}, stanza, {
		key: '',
		hmac_key: '',
		key_base64: text(stanza.next_key_base64),
		hmac_key_base64: text(stanza.next_hmac_key_base64)
	});
}

/* Base64 with all its padding, which the phone app insists on. */
function padded(base64) {
	const bare = base64.replace(/=+$/, '');

	return bare + '='.repeat((4 - bare.length % 4) % 4);
}

/* The keys as names and values, in the order of the QR code; a placeholder is no key. */
function keysOf(stanza) {
	return [ 'key_base64', 'key', 'hmac_key_base64', 'hmac_key' ]
		.map(option => [ option.toUpperCase(), text(stanza[option]) ])
		.filter(([ , value ]) => value != '' && !validate.isPlaceholder(value))
		.map(([ name, value ]) => [ name, /_BASE64$/.test(name) ? padded(value) : value ]);
}

/* Why there is nothing to give; null where the keys are complete. */
function missing(keys) {
	const names = keys.map(([ name ]) => name);
	const count = prefix => names.filter(name => name == prefix || name == `${prefix}_BASE64`).length;

	if (count('KEY') == 0)
		return _('This user has no encryption key yet: make new keys.');

	if (count('KEY') > 1 || count('HMAC_KEY') > 1)
		return _('This user has a key twice, as passphrase and as base64: keep one of them.');

	if (keys.some(([ name, value ]) => /_BASE64$/.test(name) && validate.base64Length(value) == null))
		return _('A key of this user is not base64: make new keys.');

	return null;
}

function hasHmacKey(keys) {
	return keys.some(([ name ]) => /^HMAC/.test(name));
}

function digestOf(stanza) {
	return text(stanza.hmac_digest).toLowerCase() || 'sha256';
}

function modeOf(stanza) {
	return text(stanza.encryption_mode).toLowerCase() || 'cbc';
}

/* The port to knock at: the clients' default where it is among those of the main section. */
function capturedPort(ranges) {
	const ports = list(ranges).map(range => range.split('-').map(Number)).filter(([ first ]) => first >= 1);
	const hasDefault = ports.some(([ first, last ]) => first <= DEFAULT_PORT && DEFAULT_PORT <= (last ?? first));

	return (hasDefault || ports.length == 0) ? DEFAULT_PORT : ports[0][0];
}

/* How and where to knock: as the clients do by themselves, where the main section lets that arrive. */
function wayOf(server) {
	const transports = list(server?.transport);
	const listener = Number(text(server?.tcp_listen));

	if (transports.length == 0 || transports.includes('udp'))
		return { transport: 'udp', port: capturedPort(server?.port) };

	if (listener > 0 || transports.includes('tcp'))
		return { transport: 'tcp', port: listener || capturedPort(server?.port) };

	return { transport: transports.includes('http') ? 'http' : 'icmp', port: capturedPort(server?.port) };
}

/* What the client asks to have opened: ports, then outside ports of forwards; empty where it has to say so itself. */
function accessOf(stanza) {
	const outside = list(stanza.forward).map(forward => forward.split('=')[0]);
	const restrict = list(stanza.restrict);
	const all = [ ...list(stanza.open), ...outside ].filter(port => port != 'any' && !restrict.includes(port));

	return [ ...new Set(all) ];
}

/* What the phone app's screen must be given besides the code. */
function phoneNotes(stanza, server, hasHmac) {
	const notes = [];
	const access = accessOf(stanza);
	const { transport, port } = wayOf(server);

	if (access.length)
		notes.push(_('In the app, write %s as the ports to open.').format(access.join(',')));

	if (server?.name)
		notes.push(_('In the app, write %s as the server.').format(server.name));

	if (server?.name && !server.name.includes('.'))
		notes.push(_('The app takes only a server name that has a dot in it.'));

	notes.push(isOn(stanza.require_source_address, true)
		? _('In the app, choose Resolve IP as the source: the knock must name the address.')
		: _('In the app, choose Source IP as the source, unless the knock is to open for another address.'));

	if (transport == 'http' && port != 80)
		notes.push(_('The app knocks over HTTP at port 80 only, which is not among the ports of the settings.'));

	if (transport != 'http' && port != DEFAULT_PORT)
		notes.push(_('In the app, set the server port to %d.').format(port));

	if (transport != 'udp')
		notes.push(_('In the app, set the protocol to %s.').format(transport.toUpperCase()));

	if (hasHmac && digestOf(stanza) != 'sha256')
		notes.push(_('The code does not carry the HMAC digest: in the app, set it to %s by hand.').format(digestOf(stanza).toUpperCase()));

	if (modeOf(stanza) == 'legacy')
		notes.push(_('In the app, tick legacy mode by hand.'));

	if (text(stanza.require_username) != '')
		notes.push(_('This user must knock with the user name %s, but the app sends one that Android chose: a phone will be refused.').format(text(stanza.require_username)));

	return notes;
}

/* Why the phone app cannot knock as this user; null where it can. */
function phoneProblem(stanza, keys, server) {
	const hasHmac = hasHmacKey(keys);

	if (keys.some(([ name, value ]) => !/_BASE64$/.test(name) && /[\s:]/.test(value)))
		return _('A passphrase with a blank or a colon does not fit into the QR code: make new keys, or type the passphrase into the app.');

	if (keys.some(([ , value ]) => !/^[!-~]+$/.test(value)))
		return _('A passphrase with other characters than those of ASCII may be read wrongly from the QR code: make new keys.');

	if (hasHmac && /^sha3/.test(digestOf(stanza)))
		return _('The phone app does not know the HMAC digest %s: choose SHA256.').format(digestOf(stanza));

	if (![ 'cbc', 'legacy' ].includes(modeOf(stanza)))
		return _('The phone app does not know the encryption mode %s: choose CBC.').format(modeOf(stanza));

	if (hasHmac && modeOf(stanza) == 'legacy')
		return _('The phone app has no HMAC in legacy mode: choose the encryption mode CBC.');

	if (wayOf(server).transport == 'icmp')
		return _('The phone app cannot knock by ICMP: choose the transport UDP in the settings.');

	return null;
}

/* The text of the QR code that the phone app reads: { text, notes } or { problem, notes }. */
function qrText(stanza, server) {
	const keys = keysOf(stanza);
	const problem = missing(keys) ?? phoneProblem(stanza, keys, server);

	if (problem != null)
		return { problem, notes: [] };

	return {
		text: keys.map(([ name, value ]) => `${name}:${value}`).join(' '),
		notes: phoneNotes(stanza, server, hasHmacKey(keys))
	};
}

/* A name that .fwknoprc takes between brackets; [default] would be read for every other one too. */
function rcName(stanza) {
	const name = text(stanza['.name']);

	return (name == '' || agree.sameWord(name, 'default')) ? 'router' : name;
}

/* The lines of .fwknoprc, without the keys. */
function rcLines(stanza, server, hasHmac) {
	const { transport, port } = wayOf(server);
	const access = accessOf(stanza);
	const lines = [ [ 'SPA_SERVER', server?.name || 'router.example.net' ] ];

	if (transport == 'http' || port != DEFAULT_PORT)
		lines.push([ 'SPA_SERVER_PORT', port ]);

	if (transport != 'udp')
		lines.push([ 'SPA_SERVER_PROTO', transport ]);

	if (access.length)
		lines.push([ 'ACCESS', access.join(',') ]);

	lines.push([ 'ALLOW_IP', isOn(stanza.require_source_address, true) ? 'resolve' : 'source' ]);

	if (text(stanza.require_username) != '')
		lines.push([ 'SPOOF_USER', text(stanza.require_username) ]);

	if (modeOf(stanza) != 'cbc')
		lines.push([ 'ENCRYPTION_MODE', modeOf(stanza) ]);

	if (hasHmac) {
		lines.push([ 'USE_HMAC', 'Y' ]);

		if (digestOf(stanza) != 'sha256')
			lines.push([ 'HMAC_DIGEST_TYPE', digestOf(stanza) ]);
	}

	return lines;
}

/* The stanza of .fwknoprc: { text, notes } or { problem, notes }. */
function rcStanza(stanza, server) {
	const keys = keysOf(stanza);
	const problem = missing(keys);

	if (problem != null)
		return { problem, notes: [] };

	if (keys.some(([ , value ]) => /[\s;#]/.test(value)))
		return { problem: _('A passphrase with a blank, # or ; cannot stand in .fwknoprc: make new keys.'), notes: [] };

	if (/[\s#]/.test(text(stanza.require_username)))
		return { problem: _('A user name with a blank or # cannot stand in .fwknoprc.'), notes: [] };

	const notes = [];
	const hasHmac = hasHmacKey(keys);
	const lines = [ ...rcLines(stanza, server, hasHmac), ...keys ];

	if (isOn(stanza.require_source_address, true))
		notes.push(_('ALLOW_IP resolve asks a web service for the address of the client.'));

	if (String(server?.name ?? '').length > 49)
		notes.push(_('fwknop 2.6.10 takes a server name of at most 49 characters.'));

	return { text: [ `[${rcName(stanza)}]`, ...lines.map(([ name, value ]) => `${name.padEnd(18)}${value}`) ].join('\n') + '\n', notes };
}

/* The stanza of .fwknoprc for eyes that were not asked in. */
function masked(rc) {
	return rc.replace(/^((?:HMAC_)?KEY(?:_BASE64)? +).*$/gm, '$1••••••••');
}

/* What to type, once the stanza is in .fwknoprc; it holds no secret. */
function commandLine(stanza) {
	const base = `fwknop -n ${rcName(stanza)}`;
	const lines = list(stanza.command).map(command => `${base} -C ${validate.commandName(command)}`);
	const isFree = [ ...list(stanza.open), ...list(stanza.forward) ].some(one => one == 'any' || one.startsWith('any='));
	const notes = [];

	if (accessOf(stanza).length) {
		lines.unshift(base);
	} else if (isFree) {
		lines.unshift(`${base} -A tcp/22`);
		notes.push(_('The client chooses what is opened: write the port that you want in place of tcp/22.'));
	}

	if (isOn(stanza.allow_nat, false))
		notes.push(_('Add -N and an address and port behind the router, such as -N 192.168.1.10:22, to be led there.'));

	return { text: lines.join('\n'), notes };
}

return baseclass.extend({
	withNextKeys,
	wayOf,
	accessOf,
	qrText,
	rcStanza,
	masked,
	commandLine
});
