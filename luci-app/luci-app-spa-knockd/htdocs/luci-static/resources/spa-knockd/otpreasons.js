'use strict';
'require baseclass';

/*
 * Why a one-time password was refused, by the codes of the log (docs/one-time-passwords.md): the visitor is told none of it.
 */

return baseclass.extend({
	table: {
		otp_unknown_user: _('There is no user of one-time passwords of this name, or the user is switched off.'),
		otp_no_record: _('The user has no one-time passwords yet: make some.'),
		otp_mismatch: _('It was not the password or the code that was asked for.'),
		otp_syntax: _('It was neither six words nor 16 hex digits, or not the digits that an app shows.'),
		otp_type: _('Its type is none of hex, word, init-hex and init-word.'),
		otp_replay: _('The code was taken before, or is older than one that was.'),
		otp_exhausted: _('No password of the card is left: make new ones.'),
		otp_new_chain: _('The password was right and is spent, but the new chain that came with it cannot be used.'),
		otp_new_chain_off: _('A new chain came with it, which this user may not begin; nothing was spent.'),
		otp_throttled: _('The code was not looked at: too many wrong answers came from this address. Passwords of a card are.'),
		otp_paused: _('It was not looked at: too many wrong codes were tried. Two codes in a row are looked at.'),
		otp_md4: _('The password is of md4, which this user may not use.'),
		otp_clock_not_set: _("The router's clock is not set: cards and counting apps go on."),
		otp_source: _('The user may not come from this address.'),
		otp_expired: _('The time of the user is over.'),
		otp_busy: _('The passwords were in use for too long; the next try may do.'),
		otp_store: _('The passwords of the user are damaged, or cannot be read or written: the system log says more.'),
		otp_proxy: _('A proxy did not say for whom it asks.')
	}
});
