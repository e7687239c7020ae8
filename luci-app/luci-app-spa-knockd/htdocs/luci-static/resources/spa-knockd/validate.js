'use strict';
'require baseclass';
'require spa-knockd.address as address';

/*
 * Whether one value of an option is right, as the daemon's parser judges it: true, or what is wrong with it.
 * An empty value is none, and right.
 */

const FLAGS = {
	yes: [ '1', 'on', 'true', 'yes', 'enabled' ],
	no: [ '0', 'off', 'false', 'no', 'disabled' ]
};

const DIGESTS = [ 'md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512' ];
const MODES = [ 'cbc', 'cfb', 'ofb', 'ctr', 'ecb', 'legacy' ];

const LIMITS = {
	key: 32,
	hmacPassphrase: 128,
	hmacKey: 136,
	timeout: 8388608,
	maxAge: 100000,
	commands: 16,
	commandName: 32,
	command: 1024,
	username: 48,
	name: 64,
	portRanges: 32,
	stanzas: 256
};

const PLACEHOLDERS = [ '__CHANGEME__', 'CHANGEME' ];

function byteLength(text) {
	return new TextEncoder().encode(text).length;
}

/* The check of a value that is there. */
function given(check) {
	return value => (value == null || value === '') ? true : check(String(value));
}

/* Text that the parser reads at all. */
function printable(check) {
	return given(value => /\p{Cc}/u.test(value) ? _('Only printable characters can stand here.') : check(value));
}

/* What a flag says: '1' or '0'; null where it is neither, and nothing where nothing is said. */
function flagOf(value) {
	if (value == null || value === '')
		return undefined;

	if (FLAGS.yes.includes(value))
		return '1';

	return FLAGS.no.includes(value) ? '0' : null;
}

function isPortNumber(text) {
	return /^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

function isPort(text) {
	const parts = text.split('/');

	return parts.length == 2 && (parts[0] == 'tcp' || parts[0] == 'udp') && isPortNumber(parts[1]);
}

const port = printable(value => isPort(value) || _('Write the protocol and one port, such as tcp/22 or udp/1194; no ranges.'));

const portOrAny = printable(value => (value == 'any') || port(value));

const portNumber = printable(value => isPortNumber(value) || _('Write a port from 1 to 65535.'));

const portRange = printable(value => {
	const [ first, ...rest ] = value.split('-');
	const last = rest.length ? rest.join('-') : first;

	if (isPortNumber(first) && isPortNumber(last) && Number(first) <= Number(last))
		return true;

	return _('Write a port from 1 to 65535, or a range such as 10000-65535.');
});

const network = printable(value => {
	if (value == 'any')
		return true;

	if (value.startsWith('!'))
		return _('There is no negation: name the networks that may knock.');

	const parsed = address.parseNetwork(value);

	if (parsed == null)
		return _('Write an IPv4 or IPv6 address or network, such as 203.0.113.0/24 or 2001:db8::/32, or any.');

	if (address.isIpv4InIpv6(parsed.first, false))
		return _('Write the IPv4 network itself, such as 203.0.113.0/24.');

	return true;
});

const natTarget = printable(value => {
	const parsed = address.parseNetwork(value);

	if (parsed == null)
		return _('Write an address or a network behind the router, such as 192.168.1.0/24.');

	if (parsed.length >= 4 && address.isForbidden(parsed.first) && address.isForbidden(parsed.last))
		return _('No host can be reached at this address.');

	return true;
});

/* OUTSIDE=HOST:PORT in parts; null where the form is wrong. */
function parseForward(value) {
	const equals = value.indexOf('=');
	const outside = value.slice(0, equals);
	const service = value.slice(equals + 1);
	const colon = service.lastIndexOf(':');
	const host = service.slice(0, colon);
	const number = service.slice(colon + 1);

	if (equals < 0 || colon < 0 || (outside != 'any' && !isPort(outside)) || !isPortNumber(number))
		return null;

	const bytes = /^\[.*\]$/.test(host) ? address.parse6(host.slice(1, -1)) : address.parse4(host);

	return (bytes != null) ? { outside, bytes, port: Number(number) } : null;
}

const forward = printable(value => {
	const parsed = parseForward(value);

	if (parsed == null)
		return _('Write an outside port and the service that it leads to, such as tcp/2222=192.168.1.10:22, or any=192.168.1.10:22 for every outside port. Names are not resolved.');

	if (address.isForbidden(parsed.bytes))
		return _('No host can be reached at this address.');

	if (parsed.bytes.length == 16 && Number(parsed.outside.split('/')[1]) != parsed.port)
		return _('IPv6 is not translated: write the same port twice, as in tcp/22=[2001:db8::10]:22.');

	return true;
});

/* As a page shows it: a port that it names. */
const portForward = printable(value => (parseForward(value)?.outside == 'any')
	? _('Name the outside port, as in tcp/2222=192.168.1.10:22: a page cannot show any.')
	: forward(value));

/* Addresses that a visitor may name in the place of his own. */
const overrideRange = printable(value => {
	const parsed = address.parseNetwork(value);

	if (value == 'any' || network(value) !== true)
		return _('Write addresses or networks, such as 198.51.100.0/24 or 2001:db8::/32.');

	return (parsed.length < 4 || !address.isForbidden(parsed.first)) || _('Nobody can be there.');
});

const snat = printable(value => {
	const bytes = address.parse4(value);

	if (value == 'masquerade' || (bytes != null && !address.isForbidden(bytes)))
		return true;

	return _('Write masquerade, or the IPv4 address of the router that the host behind it knows.');
});

function commandName(value) {
	return value.slice(0, Math.max(0, value.indexOf('=')));
}

const command = printable(value => {
	const name = commandName(value);
	const line = value.slice(name.length + 1);

	if (!/^[A-Za-z0-9_]{1,32}$/.test(name))
		return _('Write NAME=/full/path ARGUMENTS, with a name of 1 to 32 letters, digits and underscores.');

	if (byteLength(value) > LIMITS.command)
		return _('This is too long: write a script and name it.');

	if (/['"]/.test(line))
		return _('No shell reads this, so quotes have no meaning: write a script that holds what needs them, and name it.');

	return /^ *\//.test(line) || _('The program needs its full path, such as /usr/bin/etherwake.');
});

const commandUser = printable(value => /^[A-Za-z0-9_.-]+$/.test(value) || _('Write a user of the router, such as nobody.'));

const username = printable(value => {
	if (byteLength(value) > LIMITS.username)
		return _('No packet can carry a user name of more than 48 characters.');

	if (!/^[ -~]+$/.test(value) || /["/\\[\]:;|=,+*?<>]/.test(value))
		return _('No packet can carry this user name: only ASCII, and none of " / \\ [ ] : ; | = , + * ? < >');

	return true;
});

function number(first, last, message) {
	return printable(value => {
		if (/^[0-9]+$/.test(value) && Number(value) >= first && Number(value) <= last)
			return true;

		return message ?? _('Write a whole number from %d to %d.').format(first, last);
	});
}

const expires = printable(value => {
	const parts = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)Z| (\d\d):(\d\d):(\d\d))?$/.exec(value);
	const message = _('Write a day in UTC, such as 2030-12-31, or a moment, such as 2030-12-31T18:00:00Z.');

	if (parts == null)
		return message;

	const [ year, month, day ] = parts.slice(1, 4).map(Number);
	const [ hour, minute, second ] = [ 4, 5, 6 ].map(index => Number(parts[index] ?? parts[index + 3] ?? 0));
	const date = new Date(Date.UTC(year, month - 1, day));
	const isDay = year >= 1970 && date.getUTCFullYear() == year && date.getUTCMonth() == month - 1 && date.getUTCDate() == day;

	return (isDay && hour < 24 && minute < 60 && second < 60) || message;
});

const device = printable(value => {
	if (/^[!-~]{1,15}$/.test(value) && !/[/'"\\`$:]/.test(value) && value != '.' && value != '..')
		return true;

	return _('Write the name of a network device, such as eth0: 1 to 15 characters, no blank, slash, colon or quote.');
});

const identifier = printable(value => /^[A-Za-z0-9_.-]{1,32}$/.test(value) || _('Write 1 to 32 letters, digits, dots, dashes or underscores.'));

/* A user's name is the name of a UCI section. */
const stanzaName = given(value => {
	if (!/^[A-Za-z0-9_]+$/.test(value))
		return _('Only letters, digits and underscores can be in a name.');

	return value.length <= LIMITS.name || _('The name has more than 64 characters.');
});

/* How many bytes the text stands for; null where it is not base64 as the daemon reads it. */
function base64Length(text) {
	const bare = text.replace(/=+$/, '');
	const padding = text.length - bare.length;

	if (!/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 == 1)
		return null;

	if (padding > 0 && (padding > 2 || text.length % 4 != 0))
		return null;

	/* Bits of the last character that stand for nothing must be 0. */
	if ((bare.length % 4 == 2 && !/[AQgw]$/.test(bare)) || (bare.length % 4 == 3 && !/[AEIMQUYcgkosw048]$/.test(bare)))
		return null;

	return Math.floor(bare.length * 3 / 4);
}

function isPlaceholder(value) {
	return PLACEHOLDERS.includes(value);
}

/* A key as base64 of 1 to `limit` bytes; a placeholder is none yet. */
function keyBase64(limit) {
	return given(value => {
		const length = base64Length(value);

		if (isPlaceholder(value))
			return true;

		if (length == null)
			return _('This is not base64: copy the key whole, or choose a passphrase.');

		return (length >= 1 && length <= limit) || _('The key must have 1 to %d bytes.').format(limit);
	});
}

function passphrase(limit) {
	return given(value => byteLength(value) <= limit || _('The passphrase is longer than %d bytes.').format(limit));
}

return baseclass.extend({
	DIGESTS,
	MODES,
	LIMITS,
	flagOf,
	printable,
	isPortNumber,
	isPlaceholder,
	base64Length,
	byteLength,
	parseForward,
	commandName,
	port,
	portOrAny,
	portNumber,
	portRange,
	network,
	natTarget,
	forward,
	portForward,
	overrideRange,
	snat,
	command,
	commandUser,
	username,
	number,
	expires,
	device,
	identifier,
	stanzaName,
	keyBase64,
	passphrase
});
