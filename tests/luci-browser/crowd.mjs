/* Many users and many grants. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { knock, person } from './browser.mjs';
import { configuration, journey, mishap, onRouter, root, seenWithin, step, writeConfiguration } from './steps.mjs';

const USERS = 64, GRANTS = 1000;

/* One that is `isWeak` has no HMAC key. */
function user(number, isWeak) {
	const key = length => randomBytes(length).toString('base64');

	return `\nconfig access 'user${number}'\n\toption enabled '1'\n\toption key_base64 '${key(32)}'\n`
		+ (isWeak ? '' : `\toption hmac_key_base64 '${key(64)}'\n`) + `\tlist open 'tcp/${1000 + number}'\n`;
}

step(`${USERS} users are listed, and the last one is edited`, async () => {
	const before = configuration(), there = before.match(/^config access/gm).length;

	writeConfiguration(before + Array.from({ length: USERS - there }, (_none, place) => user(place + there + 1, place == 0)).join(''));
	await mishap('follow');

	for (const width of [ 360, 1100 ]) {
		const one = width == 360 ? await person({ width }) : root;

		await one.go('users');
		assert.equal(await one.page.locator('tr.cbi-section-table-row').count(), USERS);
		await one.see('Worth a thought');
		await one.edit(`user${USERS}`);
		await one.field('timeout').locator('input').fill(String(width));
		await one.save();
		await one.apply();
		assert.ok(configuration().includes(`option timeout '${width}'`));
		await one.shot(`users ${USERS} ${width}`);

		if (one != root)
			await one.page.context().close();
	}

	await root.go('status');
	await root.page.locator(`tr:has(th:text-is("Users switched on")) td:text-is("${USERS}")`).waitFor();
	await root.page.locator('.alert-message:has-text("Please note:"):has-text("HMAC")').waitFor();
});

step(`${GRANTS} grants are listed, and a knock is seen among them`, async () => {
	const elements = Array.from({ length: GRANTS }, (_none, place) => `10.0.${place >> 8}.${place & 255} . tcp . 22 timeout 1h comment "phone"`);

	/* The daemon takes what it finds at its start for its own. */
	await mishap('stop');
	onRouter([ 'nft', '-f', '-' ], `add element inet fw4 spa_in4_v1 { ${elements.join(', ')} }\n`);
	await mishap('follow');

	for (const width of [ 360, 1100 ]) {
		const one = width == 360 ? await person({ width }) : root;
		const rows = one.page.locator('table[aria-label="Open now"] tr.cbi-rowstyle-1, table[aria-label="Open now"] tr.cbi-rowstyle-2');

		await one.go('status');
		await one.see(`Open: ${GRANTS}; the first 100 are shown.`);
		assert.equal(await rows.count(), 100);
		await one.shot(`grants ${width}`);

		const event = seenWithin(3000, one.page.locator(`table[aria-label="Last events"] tr:has-text("Opened tcp/443 for 203.0.113.2"):has-text("55 s")`));

		knock(journey.keys, 'tcp/443');
		await event;

		for (const shown of [ 400, 700, 1000, GRANTS + 1 ]) {
			await one.press('Show more');
			await rows.nth(shown - 1).waitFor();
		}

		await one.see(`Open: ${GRANTS + 1}.`);

		/* Frames of the browser in a second of polling and counting down. */
		const frames = await one.page.evaluate(() => new Promise(resolve => {
			const start = performance.now();
			let count = 0;

			const next = () => performance.now() - start > 1000 ? resolve(count) : window.requestAnimationFrame(next, count++);

			next();
		}));

		assert.ok(frames >= 10, `${frames} frames a second`);

		await one.page.locator('button[aria-label="Close tcp/22 for 10.0.3.231"]').click();
		await one.press('Close', '.modal');
		await one.see('Closed: 1.');
		await one.page.locator('button[aria-label="Close tcp/22 for 10.0.3.231"]').waitFor({ state: 'detached' });

		if (one != root) {
			onRouter([ 'nft', '-f', '-' ], `add element inet fw4 spa_in4_v1 { ${elements.at(-1)} }\n`);
			await one.page.context().close();
			await root.go('status');
			await root.press('Close all');
			await root.press('Cancel', '.modal');
			await mishap('stop');
			onRouter([ 'nft', 'delete', 'element', 'inet', 'fw4', 'spa_in4_v1', '{ 203.0.113.2 . tcp . 443 }' ]);
			await mishap('follow');
		}
	}

	await root.press('Close all');
	await root.press('Close', '.modal');
	await root.see('Nothing is open.');
	assert.doesNotMatch(onRouter([ 'nft', 'list', 'set', 'inet', 'fw4', 'spa_in4_v1' ]), /elements/);
});
