/* How the pages look, and who can use them. */
import assert from 'node:assert/strict';
import { knock, person } from './browser.mjs';
import { end, fitsPhone, nameless } from './measures.mjs';
import { closeAll, journey, root, step } from './steps.mjs';

/* Cells of our tables that are named neither by a title above the column nor at the cell itself. */
function untitled(page) {
	return page.evaluate(() => Array.from(document.querySelectorAll('#view table[aria-label] td[data-title]'))
		.filter(cell => cell.checkVisibility() && !cell.closest('table').querySelector('.table-titles').checkVisibility()
			&& ![ getComputedStyle(cell, '::before').content, cell.firstElementChild.checkVisibility() && cell.firstElementChild.textContent ]
				.some(text => text && text.includes(cell.dataset.title)))
		.map(cell => cell.dataset.title));
}

step('the pages fit a phone and a desktop, in both themes, light and dark', async () => {
	await closeAll();
	knock(journey.keys);

	for (const width of [ 360, 1100 ])
		for (const dark of [ false, true ]) {
			const one = await person({ width, dark });

			for (const theme of [ 'bootstrap', 'material' ])
				for (const where of [ 'status', 'users', 'passwords', 'settings', 'test' ]) {
					const which = `${where} ${theme} ${width}${dark ? ' dark' : ''}`;

					await one.go(where, theme);

					if (where == 'status')
						await one.page.locator('table[aria-label="Last events"] tr', { hasText: 'Opened tcp/22' }).first().waitFor();

					await one.shot(which);
					/* Material's own row of tabs is wider than a phone. */
					assert.ok(await end(one.page, '#view') <= width, which);
					assert.deepEqual(await untitled(one.page), [], which);
					assert.deepEqual(await nameless(one.page, '#view'), [], which);
				}

			assert.deepEqual(one.faults, []);
			await one.page.context().close();
		}
});

step('the dialogs fit a phone', async () => {
	for (const dark of [ false, true ]) {
		const one = await person({ width: 360, dark });
		const look = title => fitsPhone(one, `${title}${dark ? ' dark' : ''}`);

		await one.go('users');
		await one.press('New user…');
		await look('new user');
		await one.press('Dismiss', '.modal');
		await one.page.locator('tr[data-sid="phone"] button:text-is("Connect…")').click();
		await one.press('Show QR code and keys');
		await one.page.waitForSelector('.modal svg[role=img]');
		await look('connect');
		await one.press('Close', '.modal');
		await one.edit('phone');

		for (const name of [ 'general', 'keyring', 'limits', 'forward', 'advanced' ]) {
			await one.tab(name);
			await look(`edit ${name}`);
		}

		assert.deepEqual(one.faults, []);
		await one.page.context().close();
	}
});

step('a door is closed by the keyboard alone', async () => {
	await root.go('status');
	knock(journey.keys);

	const button = root.page.locator('button[aria-label="Close tcp/22 for 203.0.113.2"]');

	await button.focus();
	await root.page.keyboard.press('Enter');
	await root.page.locator('.modal').waitFor();

	for (let press = 0; press < 20 && await root.page.evaluate(() => document.activeElement?.textContent) != 'Cancel'; press++)
		await root.page.keyboard.press('Tab');

	await root.page.keyboard.press('Enter');
	await root.page.locator('body:not(.modal-overlay-active)').waitFor();
	/* The table was counted down meanwhile, and the focus is where it was. */
	await button.and(root.page.locator(':focus')).waitFor();
	await root.page.keyboard.press('Space');
	await root.page.locator('.modal').waitFor();

	for (let press = 0; press < 20 && await root.page.evaluate(() => document.activeElement?.textContent) != 'Close'; press++)
		await root.page.keyboard.press('Tab');

	await root.page.keyboard.press('Enter');
	await root.see('Nothing is open.');
});
