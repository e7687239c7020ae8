'use strict';
'require baseclass';
'require spa-knockd.forwards as forwards';

/*
 * What needs the owner's attention, the gravest first: `grave` where knocks are not honoured or guard nothing, `text`,
 * and `links`, each with `page` (a path below admin/, to which a `query` may belong) and `text`.
 */

const SETTINGS = { page: 'services/spa-knockd/settings', text: _('Settings') };
const USERS = { page: 'services/spa-knockd/users', text: _('Users') };
const PASSWORDS = { page: 'services/spa-knockd/passwords', text: _('One-time Passwords') };
const STARTUP = { page: 'system/startup', text: _('Startup') };
const LOG = { page: 'status/logs', text: _('System log') };
const FORWARDS = { page: 'network/firewall/forwards', text: _('Port forwards') };

const SWITCHED_OFF = /: the daemon is switched off; /;

/* How `check` ends what the running daemon's own look says in the reply to `status`. */
const GUARDS_NOTHING = /the knock guards nothing$/;

/* What `check` says of a page without users, which is said here in other words. */
const NO_PAGE = /no section of one-time passwords is switched on, so there is no page/;

function grave(text, links) {
	return { grave: true, text, links: links ?? [] };
}

function mild(text, links) {
	return { grave: false, text, links: links ?? [] };
}

/* What the page of one-time passwords lacks, by a reply to knock.otpList(). */
function ofPage(otp) {
	if (!otp?.ok || !otp.page)
		return [];

	const { port, plain_port, certificate, server } = otp.page;
	const list = [];

	/* Without a port, another web server has the page, and who knows what it needs. */
	if (port != null && !server)
		list.push(mild(_('There is no page of one-time passwords, because the web server uhttpd is not installed: install the package uhttpd.')));
	else if (port != null && !certificate)
		list.push(mild(_('The page of one-time passwords has no certificate or no key for it, so it may not answer at port %d.').format(port), [ PASSWORDS ]));

	if (plain_port)
		list.push(mild(_('The page of one-time passwords can be seen without TLS at port %d: whoever listens on the way gets the password first.').format(plain_port), [ PASSWORDS ]));

	if (!(otp.users ?? []).some(user => user.enabled))
		list.push(mild(_('The page of one-time passwords is switched on, but no user has any.'), [ PASSWORDS ]));

	return list;
}

/* Whose passwords come to their end, or cannot be used. */
function ofPasswords(otp) {
	const users = otp?.ok ? (otp.users ?? []).filter(user => user.enabled) : [];
	const say = text => mild(text, [ PASSWORDS ]);

	return [
		...users.filter(user => user.error).map(user => say(user.error)),
		...users.filter(user => user.left === 0).map(user => say(_('%s has no one-time password left and cannot get in: make new ones.').format(user.user))),
		...users.filter(user => user.few && user.left > 0).map(user => say(_('%s has only %d one-time passwords left: make new ones.').format(user.user, user.left))),
		...(otp?.ok ? otp.without ?? [] : []).map(name => say(_('%s has no one-time passwords yet: make some.').format(name)))
	];
}

/* Why nobody answers, as far as the configuration tells. */
function away(isOff, faults) {
	if (isOff)
		return [ grave(_('spa-knockd is switched off, so every knock is ignored. Make a user, then switch it on in the settings.'), [ USERS, SETTINGS ]) ];

	if (faults.length)
		return [ grave(_('spa-knockd does not run, because its configuration has mistakes.'), []) ];

	return [ grave(_('spa-knockd does not run, so every knock is ignored. Start it, or read in the log why it ended.'), [ STARTUP, LOG ]) ];
}

/* A guarded port that everybody may use. */
function exposure(exposed, open) {
	const forward = forwards.behind(exposed, open);

	if (!forward)
		return grave(exposed.text, []);

	return grave(
		_('%s/%d leads everybody to %s, by the port forward "%s": the knock guards nothing. Let a knock open that way instead, then delete the old port forward.')
			.format(exposed.proto, exposed.port, forward.to, forward.name),
		[ Object.assign({ query: forwards.query(forward.forwards) }, USERS, { text: _('Guard it with a knock') }), FORWARDS ]
	);
}

return baseclass.extend({
	ofPage,

	/*
	 * `status`, `check` and `otp` are replies (`check` null where it may not be asked), `redirects` is what
	 * forwards.open() gives.
	 */
	compose({ status, check, otp, redirects }) {
		const open = redirects ?? [];
		/* Off is no mistake; what it means is said once, in other words. */
		const faults = (check?.faults ?? []).filter(fault => !SWITCHED_OFF.test(fault));
		const isOff = (check?.faults ?? []).length > faults.length;
		const list = [];

		if (!status?.ok)
			list.push(...(status?.kind == 'away' ? away(isOff, faults) : [ grave(status?.error ?? _('The router did not answer.')) ]));

		faults.forEach(fault => list.push(grave(fault, [ SETTINGS, USERS ])));

		if (status?.ok) {
			if (faults.length)
				list.push(mild(_('Because of these mistakes, spa-knockd still works by the configuration before them.')));

			if (isOff)
				list.push(mild(_('spa-knockd is switched off in the settings, but still runs.'), [ SETTINGS ]));

			(status.not_ready ?? []).forEach(text => list.push(grave(text)));
			(status.exposed ?? []).forEach(exposed => list.push(exposure(exposed, open)));
			(status.warnings ?? []).forEach(text => list.push(mild(text)));
			(status.not_examined ?? []).forEach(text => list.push(mild(text)));
		}

		list.push(...ofPage(otp), ...ofPasswords(otp));

		if (check?.ok) {
			const said = list.map(entry => entry.text);

			(check.warnings ?? []).concat(status?.ok ? [] : check.notes ?? [])
				.filter(text => said.indexOf(text) == -1 && !(status?.ok && GUARDS_NOTHING.test(text)) && !(otp?.page && NO_PAGE.test(text)))
				.forEach(text => list.push(mild(text, /(^|: )access '/.test(text) ? [ USERS ] : /(^|: )(otp|page) '/.test(text) ? [ PASSWORDS ] : [])));
		}

		/* Equal sentences once, and the order within each half kept. */
		const once = list.filter((entry, place) => list.findIndex(other => other.text == entry.text) == place);

		return once.filter(entry => entry.grave).concat(once.filter(entry => !entry.grave));
	}
});
