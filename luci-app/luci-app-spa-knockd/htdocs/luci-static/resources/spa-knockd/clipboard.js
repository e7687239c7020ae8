'use strict';
'require baseclass';
'require ui';

/*
 * Copying text: by the browser's clipboard, or where that is closed to pages without TLS, by a selection.
 */

/* The older way: the text is selected in a field that nobody sees. */
function copySelection(text, place) {
	const area = E('textarea', { 'readonly': '', 'aria-hidden': 'true', 'style': 'position:fixed;opacity:0' });

	area.value = text;
	place.appendChild(area);
	area.select();

	let copied = false;

	try {
		copied = document.execCommand('copy');
	}
	catch (error) {
		console.warn(error);
	}

	area.remove();

	return copied;
}

function copy(text, place) {
	const older = () => copySelection(text, place);

	if (window.isSecureContext && navigator.clipboard)
		return navigator.clipboard.writeText(text).then(() => true, older);

	return Promise.resolve(older());
}

return baseclass.extend({
	/* A button that copies what `text()` gives, and says so. */
	button(title, text) {
		const said = E('span', { 'role': 'status' });

		return E('div', {}, [
			E('button', {
				'type': 'button',
				'class': 'btn cbi-button',
				'click': ui.createHandlerFn(this, ev => copy(text(), ev.currentTarget.parentNode).then(copied => {
					said.textContent = copied ? _('Copied.') : _('The browser does not allow that: show the text and copy it by hand.');
				}))
			}, [ title ]),
			' ',
			said
		]);
	}
});
