'use strict';
'require baseclass';

/*
 * QR codes, drawn in the browser by LuCI's own library as soon as that is there.
 */

function problem(words) {
	return E('div', { 'class': 'alert-message warning' }, [ words ]);
}

return baseclass.extend({
	/* Draws the code in this place if it still is wanted by then; `label` is what a screen reader says of it. */
	draw(place, text, label, isWanted) {
		return L.require('uqr').then(uqr => {
			const svg = E(uqr.renderSVG(text, { pixelSize: 4, border: 4 }));

			svg.setAttribute('role', 'img');
			svg.setAttribute('aria-label', label);

			if (isWanted())
				place.replaceChildren(svg);
		}).catch(() => place.replaceChildren(problem(_('The QR code cannot be drawn: install the package luci-lib-uqr.'))));
	}
});
