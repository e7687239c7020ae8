'use strict';
'require baseclass';
'require rpc';

/*
 * What the pages ask the router: each call gives a reply that has `ok`, and where that is false `error`, one sentence
 * for people, and `kind`: 'denied', 'plugin', 'away', 'router' or 'refused'. No call is rejected.
 */

const OBJECT = 'spa-knockd';

/* What uhttpd takes in one request is 65536 bytes, in base64 and with what stands around it. */
const CAPTURE_MAX = 48000;

function declare(method, params) {
	/* Not in one request with others: together they might be too long, and a slow one would keep the others. */
	return rpc.declare({ object: OBJECT, method, params, nobatch: true });
}

const calls = {
	status: declare('status'),
	grants: declare('grants', [ 'skip' ]),
	events: declare('events'),
	check: declare('check'),
	explain: declare('explain', [ 'payload', 'source', 'destination', 'transport', 'port' ]),
	explain_capture: declare('explain_capture', [ 'data' ]),
	revoke: declare('revoke', [ 'access', 'source', 'all', 'kill' ]),
	keygen: declare('keygen', [ 'hmac_digest' ]),
	otp_list: declare('otp_list'),
	otp_forgive: declare('otp_forgive', [ 'user' ]),
	otp_add: declare('otp_add', [ 'user', 'kind', 'passphrase', 'count', 'digits' ]),
	otp_reset: declare('otp_reset', [ 'user', 'kind', 'passphrase', 'count', 'digits' ]),
	otp_remove: declare('otp_remove', [ 'user' ]),
	otp_card: declare('otp_card', [ 'user', 'passphrase', 'count' ])
};

const callAccess = rpc.declare({
	object: 'session',
	method: 'access',
	params: [ 'scope', 'object', 'function' ],
	expect: { access: false }
});

function failure(kind, error) {
	return { ok: false, kind, error };
}

function withoutPlugin() {
	return failure('plugin', _('The router does not know spa-knockd: install the package spa-knockd, then restart rpcd or the router.'));
}

function denied() {
	return failure('denied', _('This login may not do that, or it has expired: log in again, with the rights for it.'));
}

/* What a ubus status number means; 2 and 5 are rpcd's words for a plugin that printed no object. */
function numbered(status) {
	switch (status) {
	case 2:
	case 5:
		return failure('plugin', _('The program spa-knockd gave no answer: is the package complete, and as new as this page?'));
	case 3:
	case 4:
		return withoutPlugin();
	case 6:
		return denied();
	case 7:
		return failure('router', _('The router took too long to answer.'));
	default:
		return failure('router', _('The router answered with the ubus status %d.').format(status));
	}
}

/* LuCI gives the number of a JSON-RPC error only in words. */
function rejected(reason) {
	const words = String(reason?.message ?? reason);
	const code = / error (-\d+):/.exec(words)?.[1];

	switch (code) {
	case '-32002':
	case '-32001':
		return denied();
	case '-32000':
	case '-32601':
		return withoutPlugin();
	default:
		return failure('router', _('The router did not answer: %s').format(words.split('\n')[0]));
	}
}

function answered(reply) {
	if (typeof(reply) == 'number')
		return numbered(reply);

	if (!L.isObject(reply) || typeof(reply.ok) != 'boolean')
		return numbered(2);

	if (reply.ok)
		return reply;

	if (reply.away)
		return failure('away', _('spa-knockd does not run, so it cannot answer.'));

	return Object.assign({}, reply, {
		kind: 'refused',
		/* What `check` has against a configuration are its faults. */
		error: reply.error ?? reply.faults?.[0] ?? _('The router refused that and gave no reason.')
	});
}

function ask(call, ...args) {
	return call(...args).then(answered, rejected);
}

return baseclass.extend({
	CAPTURE_MAX,

	status() {
		return ask(calls.status);
	},

	/* At most 256 grants, after the first `skip`. */
	grants(skip) {
		return ask(calls.grants, skip ?? 0);
	},

	events() {
		return ask(calls.events);
	},

	check() {
		return ask(calls.check);
	},

	/* A packet's text, and as far as they are known `source`, `destination`, `transport` and `port`. */
	explain(payload, arrival) {
		const { source, destination, transport, port } = arrival ?? {};

		return ask(calls.explain, payload, source, destination, transport, port);
	},

	/* A capture file of at most CAPTURE_MAX bytes, in base64. */
	explainCapture(data) {
		return ask(calls.explain_capture, data);
	},

	/* `access`, `source` or both, or `all`; `kill` ends connections as well. */
	revoke(what) {
		const { access, source, all, kill } = what ?? {};

		return ask(calls.revoke, access, source, all, kill);
	},

	/* Fresh keys in base64; the HMAC key is as long as the digest wants it. */
	keygen(hmacDigest) {
		return ask(calls.keygen, hmacDigest);
	},

	/* Who has one-time passwords, who must wait, and what the page lacks; no secret is among it. */
	otpList() {
		return ask(calls.otp_list);
	},

	/* What was tried at this user's counts no longer. */
	otpForgive(user) {
		return ask(calls.otp_forgive, user);
	},

	/*
	 * Makes one-time passwords for a user who has none, and tells them this once. `kind` is chain, totp or hotp; a chain
	 * has `count` passwords and a `passphrase`, or one that nobody knows; a code has so many `digits`.
	 */
	otpAdd(user, { kind, passphrase, count, digits }) {
		return ask(calls.otp_add, user, kind, passphrase, count, digits);
	},

	/* The same in the place of those that the user has, which end with it. */
	otpReset(user, { kind, passphrase, count, digits }) {
		return ask(calls.otp_reset, user, kind, passphrase, count, digits);
	},

	/* Ends the passwords of a user; `removed` tells whether there were any. */
	otpRemove(user) {
		return ask(calls.otp_remove, user);
	},

	/* The next passwords of a chain, for whoever knows its passphrase. */
	otpCard(user, passphrase, count) {
		return ask(calls.otp_card, user, passphrase, count);
	},

	/* Whether this login may call a method of the plugin. */
	mayCall(method) {
		return callAccess('ubus', OBJECT, method).then(may => may === true, () => false);
	},

	/* Whether this login may read (or write) a UCI package. */
	mayUci(config, right) {
		return callAccess('uci', config, right ?? 'read').then(may => may === true, () => false);
	}
});
