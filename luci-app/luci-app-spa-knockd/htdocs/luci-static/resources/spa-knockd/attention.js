'use strict';
'require baseclass';
'require spa-knockd.forwards as forwards';

/*
 * What needs the owner's attention, the gravest first: `grave` where knocks are not honoured or guard nothing, `text`,
 * and `links`, each with `page` (a path below admin/, to which a `query` may belong) and `text`.
 */

const SETTINGS = { page: 'services/spa-knockd/settings', text: _('Settings') };
const USERS = { page: 'services/spa-knockd/users', text: _('Users') };
const STARTUP = { page: 'system/startup', text: _('Startup') };
const LOG = { page: 'status/logs', text: _('System log') };
const FORWARDS = { page: 'network/firewall/forwards', text: _('Port forwards') };

const SWITCHED_OFF = /: the daemon is switched off; /;

/* How `check` ends what the running daemon's own look says in the reply to `status`. */
const GUARDS_NOTHING = /the knock guards nothing$/;

function grave(text, links) {
	return { grave: true, text, links: links ?? [] };
}

function mild(text, links) {
	return { grave: false, text, links: links ?? [] };
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
	/*
	 * `status` and `check` are replies (`check` null where it may not be asked), `redirects` is what forwards.open()
	 * gives.
	 */
	compose({ status, check, redirects }) {
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

		if (check?.ok) {
			const said = list.map(entry => entry.text);

			(check.warnings ?? []).concat(status?.ok ? [] : check.notes ?? [])
				.filter(text => said.indexOf(text) == -1 && !(status?.ok && GUARDS_NOTHING.test(text)))
				.forEach(text => list.push(mild(text, /(^|: )access '/.test(text) ? [ USERS ] : [])));
		}

		/* Equal sentences once, and the order within each half kept. */
		const once = list.filter((entry, place) => list.findIndex(other => other.text == entry.text) == place);

		return once.filter(entry => entry.grave).concat(once.filter(entry => !entry.grave));
	}
});
