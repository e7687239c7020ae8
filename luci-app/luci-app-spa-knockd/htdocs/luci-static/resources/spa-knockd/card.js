'use strict';
'require baseclass';

/*
 * The card for the wallet, as text: the passwords with their numbers, the next one on top.
 */

function line({ number, words }) {
	return `${String(number).padStart(4)}  ${words}`;
}

return baseclass.extend({
	title(reply) {
		return _('One-time passwords of %s').format(reply.user);
	},

	/* What the card says above the passwords. */
	head(reply) {
		return [ `otp-${reply.algorithm} ${reply.seed}, ${reply.date}`, _('Use them from the top down, strike each out.') ];
	},

	lines(reply) {
		return reply.passwords.map(one => `[ ] ${line(one)}`);
	},

	/* As a phone's screen is wide enough for it, where nothing can be struck out. */
	screen(reply) {
		return [ this.head(reply)[0], '', ...reply.passwords.map(line) ].join('\n') + '\n';
	},

	text(reply) {
		return [ this.title(reply), ...this.head(reply), '', ...this.lines(reply) ].join('\n') + '\n';
	}
});
