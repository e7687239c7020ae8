'use strict';
'require baseclass';
'require spa-knockd.words as words';

/*
 * What `explain` says of one packet, in plain language.
 */

/* What would be opened, or run. */
function opening({ kind, source, proto, port, to, timeout }) {
	const what = proto && port ? '%s/%d'.format(proto, port) : _('every port');
	const time = words.duration(timeout);

	switch (kind) {
	case 'command':
		return _('The command "%s" would run.').format(to);
	case 'dnat':
		return _('%s would be led from %s to %s for %s.').format(source, what, to, time);
	case 'snat':
		return to == 'masquerade'
			? _('%s would reach %s as if it were the router.').format(source, what)
			: _('%s would reach %s as if it were %s.').format(source, what, to);
	default:
		/* Where every port is meant, that of the service would mislead. */
		return to
			? _('%s could reach %s at %s for %s.').format(source, what, port ? to : to.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'), time)
			: _('%s could reach %s for %s.').format(source, what, time);
	}
}

/* What the knock says of itself. */
function fields(known) {
	if (!known)
		return [];

	return [
		[ _('User in the knock'), known.user ],
		[ _('Made at'), new Date(known.timestamp * 1000).toLocaleString() ],
		[ _('Asks for'), known.message ],
		[ _('Forward asked for'), known.nat ],
		[ _('Seconds asked for'), known.client_timeout ],
		[ _('Client version'), known.version ],
		[ _('Digest'), known.digest ]
	].filter(([ , value ]) => value != null && value !== '').map(([ name, value ]) => [ name, String(value) ]);
}

return baseclass.extend({
	/*
	 * `good`, a `title`, `lines` with the reasons, `stanzas` with each stanza's name and its own reason, and `fields`
	 * as names and values.
	 */
	tell(explanation) {
		const { packet, captured, verdict, reason, access, awaits, stanzas } = explanation;
		const isGrant = verdict == 'grant';
		const lines = [];

		if (!isGrant)
			lines.push(words.reason(reason));

		if (isGrant && awaits)
			lines.push(_('It depends on the address of %s, which the router looks up when the knock comes.').format(awaits));

		lines.push(...(explanation.grants ?? []).map(opening));

		if (!captured)
			lines.push(_('spa-knockd does not listen for such a packet: the transport or the port is not among its settings.'));

		return {
			packet,
			good: isGrant && captured,
			title: isGrant
				? captured ? _('This knock would be honoured, for "%s".').format(access) : _('This knock is good, for "%s", but would not be heard.').format(access)
				: access && words.isGenuine(reason) ? _('This knock would be refused, for "%s".').format(access) : _('This packet would be refused.'),
			lines,
			stanzas: (stanzas ?? []).map(stanza => ({
				access: stanza.access,
				text: stanza.reason ? words.reason(stanza.reason) : _('Honours it.')
			})),
			fields: fields(explanation.fields)
		};
	}
});
