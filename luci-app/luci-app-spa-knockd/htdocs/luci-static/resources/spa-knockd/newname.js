'use strict';
'require baseclass';
'require uci';
'require spa-knockd.validate as validate';

/*
 * The name of a new section: one that nobody has, or that of a section which was never used, as the sample has some.
 */

const CONFIG = 'spa-knockd';

function verdict(value, isUnused) {
	const known = uci.get(CONFIG, value);

	if (value == '')
		return _('Write a name.');

	const written = validate.stanzaName(value);

	if (written !== true)
		return written;

	return (known == null || isUnused(known)) || _('There is already a section of this name.');
}

return baseclass.extend({
	/* The check of a field with such a name. */
	freeFor: function(isUnused) {
		return (section_id, value) => verdict(value, isUnused);
	}
});
