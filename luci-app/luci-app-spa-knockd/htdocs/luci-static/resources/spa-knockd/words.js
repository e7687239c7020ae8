'use strict';
'require baseclass';
'require spa-knockd.otpreasons as otpreasons';
'require spa-knockd.reasons as reasons';

/*
 * What the daemon's replies are in words. Nothing here asks or draws anything.
 */

const MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/* Refusals that may hide what the router itself has to say about them. */
const TROUBLES = [ 'journal', 'firewall_missing', 'firewall_full', 'firewall_denied', 'firewall_error', 'helper' ];

function number(value) {
	return Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}

return baseclass.extend({
	/* Whole seconds, in the two largest units. */
	duration(seconds) {
		const whole = number(seconds);

		if (whole < 2 * MINUTE)
			return _('%d s').format(whole);

		if (whole < HOUR)
			return _('%d min %d s').format(Math.floor(whole / MINUTE), whole % MINUTE);

		if (whole < DAY)
			return _('%d h %d min').format(Math.floor(whole / HOUR), Math.floor(whole % HOUR / MINUTE));

		return _('%d d %d h').format(Math.floor(whole / DAY), Math.floor(whole % DAY / HOUR));
	},

	/* How long a door stays open; `ends` and `now` are of one clock, in seconds, and `ends` is null where it never closes. */
	left(ends, now) {
		if (ends == null)
			return _('until closed by hand');

		return ends > now ? this.duration(Math.ceil(ends - now)) : _('closing');
	},

	/* What a grant opens. */
	opened(grant) {
		const port = grant.port ?? _('every port');

		switch (String(grant.set ?? '').replace(/[46]?_v\d+$/, '')) {
		case 'spa_dnat':
			return _('%s, which leads to %s').format(port, grant.translation);
		case 'spa_snat':
			return _('%s at %s, coming from %s').format(port, grant.destination, grant.translation);
		case 'spa_masq':
			return _('%s at %s, coming from the router').format(port, grant.destination);
		case 'spa_all':
			return _('everything of %s').format(grant.destination);
		default:
			return grant.destination ? _('%s at %s').format(port, grant.destination) : port;
		}
	},

	/* What one grant is told from another by, from one reply to the next. */
	key(grant) {
		return JSON.stringify([ grant.set, grant.source, grant.destination, grant.port, grant.translation ]);
	},

	/* An address that lies in a grant's source, which may be a network or a range. */
	address(grant) {
		return String(grant.source ?? '').split(/[/-]/)[0];
	},

	/* What is asked before a grant is closed: without a name, the address is all that tells whose it is. */
	closing(grant) {
		return grant.access
			? _('Close everything that "%s" has opened for %s?').format(grant.access, grant.source)
			: _('Close everything that is open for %s, whoever has opened it?').format(grant.source);
	},

	/* A refusal's code in words. */
	reason(code) {
		if (Object.hasOwn(otpreasons.table, code))
			return otpreasons.table[code];

		return reasons.table[code]?.text ?? _('Refused for a reason that this page does not know: %s').format(code);
	},

	/* Whether a refusal's code is said of packets whose sender holds the keys. */
	isGenuine(code) {
		return reasons.table[code]?.genuine === true;
	},

	/* What happened, in a sentence or two. */
	event(event) {
		switch (event.kind) {
		case 'grant': {
			const opened = (event.opened ?? []).join(', ');

			return event.timeout
				? _('Opened %s for %s, for %s.').format(opened, event.source ?? '?', this.duration(event.timeout))
				: _('Ran %s for %s.').format(opened, event.source ?? '?');
		}
		case 'refuse':
			return this.refusal(event);
		case 'renew':
			return _('A new card was begun with a one-time password: if nobody meant to, somebody has stolen one. Make new passwords at once.');
		case 'revoke':
		case 'reload':
		case 'firewall':
		default:
			return String(event.text ?? '');
		}
	},

	/* The refusal of a genuine knock. */
	refusal(event) {
		const more = / \((\d+) more since the last line\)$/.exec(event.text ?? '');
		const parts = [ this.reason(event.reason) ];

		if (TROUBLES.indexOf(event.reason) != -1 && event.text)
			parts.push(event.text.slice(0, more ? more.index : undefined));

		if (event.asked)
			parts.push(_('It asked for: %s.').format(event.asked));

		if (more)
			parts.push(_('%d more were refused before it.').format(Number(more[1])));

		return parts.join(' ');
	},

	/* What kind of event it was, in a word. */
	kind(event) {
		switch (event.kind) {
		case 'grant':
			return _('Opened');
		case 'refuse':
			return _('Refused');
		case 'renew':
			return _('New card');
		case 'revoke':
			return _('Closed early');
		case 'reload':
			return _('Settings');
		case 'firewall':
			return _('Firewall');
		default:
			return String(event.kind ?? '?');
		}
	},

	/* What was refused, the most frequent first: code, count, words, and whether the sender held the keys. */
	refusals(refused) {
		return Object.keys(refused ?? {})
			.filter(code => number(refused[code]) > 0)
			.map(code => ({ code, count: number(refused[code]), text: this.reason(code), genuine: this.isGenuine(code) }))
			.sort((one, other) => other.count - one.count || (one.code < other.code ? -1 : 1));
	},

	/* Which refusals were counted between two replies; a daemon that was started anew counts from 0. */
	moved(before, after) {
		const old = before?.uptime > after?.uptime ? {} : before?.refused ?? {};

		return this.refusals(after?.refused)
			.map(one => Object.assign(one, { count: one.count - number(old[one.code]) }))
			.filter(one => one.count > 0);
	},

	/* What changes whenever an event may have been added that somebody waits to see. */
	mark(status) {
		const genuine = this.refusals(status?.refused).filter(one => one.genuine);

		return JSON.stringify([ status?.honoured, status?.grants, genuine.map(one => [ one.code, one.count ]) ]);
	}
});
