'use strict';
'require baseclass';

/*
 * Addresses and networks as the daemon reads them: strict, and as the bytes that they stand for.
 */

/* Four bytes; null for leading zeros, names, and anything else. */
function parse4(text) {
	const parts = String(text).split('.');

	if (parts.length != 4 || !parts.every(part => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255))
		return null;

	return parts.map(Number);
}

/* The bytes of one side of `::`; an IPv4 address may be its end. */
function groups(text, mayEndInIpv4) {
	const bytes = [];

	if (text == '')
		return bytes;

	const parts = text.split(':');

	for (let i = 0; i < parts.length; i++) {
		if (/^[0-9a-fA-F]{1,4}$/.test(parts[i])) {
			const group = parseInt(parts[i], 16);

			bytes.push(group >> 8, group & 255);
			continue;
		}

		const ipv4 = (mayEndInIpv4 && i == parts.length - 1) ? parse4(parts[i]) : null;

		if (ipv4 == null)
			return null;

		bytes.push(...ipv4);
	}

	return bytes;
}

/* Sixteen bytes; null for zones, brackets, and anything else. */
function parse6(text) {
	const sides = String(text).split('::');

	if (sides.length == 1) {
		const whole = groups(sides[0], true);

		return (whole?.length == 16) ? whole : null;
	}

	const head = groups(sides[0], false);
	const tail = groups(sides[1], true);

	if (sides.length != 2 || head == null || tail == null || head.length + tail.length > 14)
		return null;

	return [ ...head, ...Array(16 - head.length - tail.length).fill(0), ...tail ];
}

function parse(text) {
	return parse4(text) ?? parse6(text);
}

function isIpv4InIpv6(bytes, alsoCompatible) {
	const prefix = bytes.slice(0, 10).every(byte => byte == 0);
	const mapped = bytes[10] == 255 && bytes[11] == 255;
	const compatible = bytes[10] == 0 && bytes[11] == 0;

	return bytes.length == 16 && prefix && (mapped || (alsoCompatible && compatible));
}

/* Whether no connection can come from or go to this address: loopback, link-local, multicast, reserved. */
function isForbidden(bytes) {
	if (bytes.length == 4)
		return bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224 || (bytes[0] == 169 && bytes[1] == 254);

	return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) || isIpv4InIpv6(bytes, true);
}

/* The bytes with everything behind the first `length` bits set to 0, or to 1. */
function fill(bytes, length, one) {
	return bytes.map((byte, index) => {
		const host = 255 >> Math.min(8, Math.max(0, length - index * 8));

		return one ? (byte | host) : (byte & ~host & 255);
	});
}

/* An address or ADDRESS/LENGTH: its first and last address and its length; null for anything else. */
function parseNetwork(text) {
	const [ address, length, more ] = String(text).split('/');
	const bytes = parse(address);

	if (bytes == null || more != null || (length != null && !/^[0-9]+$/.test(length)))
		return null;

	const bits = (length != null) ? Number(length) : bytes.length * 8;

	if (bits > bytes.length * 8)
		return null;

	return { first: fill(bytes, bits, false), last: fill(bytes, bits, true), length: bits };
}

return baseclass.extend({
	parse,
	parse4,
	parse6,
	parseNetwork,
	isForbidden,
	isIpv4InIpv6
});
