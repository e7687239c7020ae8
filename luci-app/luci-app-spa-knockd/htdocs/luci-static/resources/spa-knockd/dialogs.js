'use strict';
'require baseclass';
'require dom';
'require form';
'require ui';
'require spa-knockd.findings as findings';

/*
 * Dialogs that say why something was not done, which LuCI's own keep to themselves.
 */

return baseclass.extend({
	/* Has the dialog of a grid tell below itself why it could not be saved. */
	sayWhyNotSaved(node) {
		const map = dom.findClassInstance(node);

		if (Object.hasOwn(map, 'save'))
			return;

		const said = E('div', { 'role': 'alert' });

		node.after(said);
		map.save = (...how) => form.Map.prototype.save.apply(map, how).then(
			() => said.replaceChildren(),
			error => {
				said.replaceChildren(findings.notSaved(error));

				return Promise.reject(error);
			});
	},

	/* Asks before `work` is done; where that is rejected, the dialog stays and says why. */
	ask(title, words, answer, work) {
		const said = E('div');

		ui.showModal([ title ], [
			...words.map(line => E('p', {}, [ line ])),
			said,
			E('div', { 'class': 'button-row' }, [
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Cancel') ]),
				' ',
				E('button', {
					'type': 'button',
					'class': 'btn cbi-button cbi-button-negative important',
					'click': ui.createHandlerFn(null, () => work().then(ui.hideModal, error => said.replaceChildren(findings.notSaved(error))))
				}, [ answer ])
			])
		]);
	}
});
