'use strict';
'require baseclass';
'require spa-knockd.words as words';

/*
 * Who has which one-time passwords, how many are left, and who must wait, in words: as the router has said it last.
 */

const KINDS = { chain: () => _('Card'), totp: () => _('App'), hotp: () => _('Counting app') };

function kind(row) {
	return KINDS[row.kind]?.() ?? String(row.kind ?? '?');
}

/* What a user has, and what should be done about it. */
function passwords(row) {
	if (row == null)
		return _('none yet: make new ones');

	if (row.error)
		return _('damaged: make new ones');

	if (row.left == null)
		return kind(row);

	if (row.left == 0)
		return _('%s: none left, make new ones').format(kind(row));

	return row.few ? _('%s: only %d left, make new ones').format(kind(row), row.left) : _('%s: %d left').format(kind(row), row.left);
}

return baseclass.extend({
	kind,

	/* A memory of the replies to knock.otpList(). */
	create() {
		let last = null;

		const row = name => last?.users?.find(one => one.user == name) ?? null;

		return {
			/* Takes a reply over; why it cannot be used, or null. */
			update(reply) {
				last = reply.ok ? reply : null;

				return reply.ok ? null : reply.error;
			},

			row,

			/* What the grid says of the passwords of a user. */
			passwords(name) {
				return last ? passwords(row(name)) : _('not known');
			},

			/* For how long single codes of a user are not looked at. */
			lock(name) {
				return row(name)?.paused ? _('locked for %s; two codes in a row are taken').format(words.duration(row(name).paused)) : _('not locked');
			},

			isPaused(name) {
				return row(name)?.paused > 0;
			},

			/* Passwords of nobody: those of whom no section has the name. */
			orphans(names) {
				return (last?.users ?? []).filter(one => !names.includes(one.user));
			},

			/* What is said of strangers who have guessed. */
			throttled() {
				const count = last?.throttled ?? 0;

				return count ? _('Addresses whose codes have to wait, because of wrong passwords: %d.').format(count) : '';
			},

			/* What the page lacks; null where it is switched off, or nothing is known. */
			page() {
				return last?.page ?? null;
			}
		};
	}
});
