'use strict';
'require baseclass';
'require uci';
'require ui';
'require spa-knockd.findings as findings';
'require spa-knockd.rpc as knock';

/*
 * Changes that are saved and not in force yet, said in a dialog that is about them, with a button that applies them.
 */

const CONFIG = 'spa-knockd';

/* Puts what was saved into force, and says what the daemon thinks of it. */
function apply(place, done, checked) {
	return uci.apply().then(() => knock.check(), reason => {
		const words = String(reason?.message ?? reason);

		/* ubus says 5 where there is nothing to apply any more. */
		return /(^|code )5\b/.test(words) ? knock.check() : { ok: false, error: words };
	}).then(reply => {
		ui.changes?.init?.();
		checked?.(reply);
		place.replaceChildren(reply.ok
			? E('div', { 'class': 'alert-message success', 'role': 'status' }, [ done ])
			: findings.render(reply));
	});
}

return baseclass.extend({
	/*
	 * Fills this place where something is saved and not in force: `what` says what that means, `done` how it is once
	 * it is applied; `checked` is told what `check` says then.
	 */
	show(place, { what, done, checked }) {
		return uci.changes().then(changes => {
			if (changes?.[CONFIG]?.length)
				place.replaceChildren(E('div', { 'class': 'alert-message notice', 'role': 'status' }, [
					E('p', {}, [ what ]),
					E('p', {}, [ _('"Apply now" applies all that is saved, on other pages, too.') ]),
					E('button', {
						'type': 'button',
						'class': 'btn cbi-button cbi-button-apply important',
						'click': ui.createHandlerFn(this, () => apply(place, done, checked))
					}, [ _('Apply now') ])
				]));
		}).catch(error => console.warn(error));
	}
});
