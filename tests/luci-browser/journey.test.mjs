/*
 * From a fresh install to a phone that knocks, and what else is done on the pages, in the order of these tests.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { close, isOpen, keysOf, knock, person, readCode } from './browser.mjs';

const CONFIG = process.env.CONFIG;
const root = await person();
let keys, failed = null;

/* What stands in the file, without what does not matter here. */
function configuration() {
	return readFileSync(CONFIG, 'utf8');
}

/* A step upon those before it; where it fails, a picture of the page is kept. */
function step(title, work) {
	test(title, async () => {
		assert.equal(failed, null, 'an earlier step failed');

		try {
			await work();
			assert.deepEqual(root.faults.splice(0), []);
		}
		catch (error) {
			failed = title;
			await root.shot(`failed ${title}`);
			throw error;
		}
	});
}

/* Opens the dialog of a user and reads both keys off the screen. */
async function connect(name) {
	await root.page.locator(`tr[data-sid="${name}"] button:text-is("Connect…")`).click();
	await root.press('Show QR code and keys');
	await root.page.waitForSelector('.modal svg[role=img]');

	return keysOf(await readCode(root.page));
}

after(close);

step('a fresh install says that it is switched off', async () => {
	await root.page.locator('#topmenu :text("Port Knocking")').waitFor({ state: 'attached' });
	assert.match(await root.text(), /spa-knockd is switched off/);
	assert.doesNotMatch(await root.text(), /Nothing is open/);
	await root.shot('fresh');
});

step('a new user gets keys, and a QR code with them that is hidden first', async () => {
	await root.go('users');
	await root.press('New user…');
	await root.page.locator('.modal input[type=text]').first().fill('phone');
	await root.press('Create with new keys');
	await root.see('Connect a client as phone');
	assert.equal(await root.page.locator('.modal svg[role=img]').count(), 0);
	await root.press('Apply now');
	await root.see('In force: the client');
	await root.page.fill('#spa-knockd-server', '203.0.113.1');
	assert.doesNotMatch(await root.page.innerText('.modal'), /KEY_BASE64\s+[A-Za-z0-9+/]{43}=/);
	await root.press('Show QR code and keys');
	await root.page.waitForSelector('.modal svg[role=img]');
	keys = keysOf(await readCode(root.page));
	assert.ok(configuration().includes(`option key_base64 '${keys.encryption}'`) && configuration().includes(`option hmac_key_base64 '${keys.hmac}'`));
	await root.shot('provisioning');
	await root.press('Close', '.modal');
});

step('a knock with these keys is seen within three seconds, and closed again', async () => {
	await root.go('status');
	await root.see('Running, knocks are honoured');
	assert.equal(isOpen(22), false);
	knock(keys);

	const knocked = performance.now();

	await root.page.locator('table[aria-label="Open now"] td:text-is("tcp/22")').waitFor();
	assert.ok(performance.now() - knocked < 3000, `seen after ${performance.now() - knocked} ms`);
	assert.equal(isOpen(22), true);
	await root.see('Opened tcp/22 for 203.0.113.2');
	await root.shot('status');
	await root.press('Close');
	await root.press('Close', '.modal');
	await root.see('Nothing is open.');
	assert.equal(isOpen(22), false);
});

step('options of every kind are kept, and the daemon takes them over', async () => {
	await root.go('settings');
	await root.field('max_age').locator('input').fill('300');
	await root.tab('transport');
	await root.field('port').locator('.add-item input').fill('10000-10010');
	await root.field('port').locator('.add-item input').press('Enter');
	await root.field('transport').locator('.cbi-dropdown').click();
	await root.field('transport').locator('li[data-value="icmp"]').first().click();
	await root.page.keyboard.press('Escape');
	await root.tab('logging');
	await root.field('log_level').locator('select').selectOption('debug');
	await root.apply();
	await root.go('users');
	await root.edit('phone');
	await root.field('open').locator('.add-item input').fill('tcp/443');
	await root.field('open').locator('.add-item input').press('Enter');
	await root.field('timeout').locator('input').fill('77');
	await root.tab('limits');
	await root.field('require_source_address').locator('input[type=checkbox]').uncheck();
	await root.save();
	await root.apply();

	await root.go('settings');
	assert.equal(await root.field('max_age').locator('input').inputValue(), '300');
	assert.equal(await root.field('log_level').locator('select').inputValue(), 'debug');

	for (const line of [ `option max_age '300'`, `list port '10000-10010'`, `list transport 'udp'`, `list transport 'icmp'`,
		`option log_level 'debug'`, `list open 'tcp/443'`, `option timeout '77'`, `option require_source_address '0'` ])
		assert.ok(configuration().includes(line), line);

	await root.go('status');
	await root.see('udp,icmp 62201,10000-10010 on wan');
	knock(keys, 'tcp/443');
	await root.see('Opened tcp/443 for 203.0.113.2, for 77 s.');
});

step('a wrong value is refused in words, and not saved', async () => {
	const before = configuration();

	await root.go('settings');
	await root.field('max_age').locator('input').fill('-5');
	await root.press('Save', '.cbi-page-actions');
	await root.see('Write a whole number from 0 to 100000.');
	assert.equal(configuration(), before);
	/* LuCI passes the refusal on to the window. */
	assert.match(root.faults.splice(0).join(), /^Option "Greatest age of a knock" contains an invalid input value/);
});

step('keys are changed without a gap', async () => {
	await root.go('users');
	await root.edit('phone');
	await root.tab('keyring');
	await root.press('Prepare new keys');
	await root.see('The next keys stand below.');
	await root.save();
	await root.apply();

	const next = await connect('phone');

	assert.notDeepEqual(next, keys);
	await root.page.selectOption('#spa-knockd-keys', 'present');
	await root.see('KEY_BASE64');
	await root.page.waitForSelector('.modal svg[role=img]');
	await root.press('Close', '.modal');

	const honoured = async count => {
		await root.go('status');
		await root.page.locator(`tr:has(th:text-is("Knocks honoured")) td:text-is("${count}")`).waitFor();
	};

	knock(keys);
	knock(next);
	await honoured(4);
	await root.go('users');
	await root.edit('phone');
	await root.tab('keyring');
	await root.press('Finish rotation');
	await root.save();
	await root.apply();
	knock(keys);
	knock(next);
	await honoured(5);
	keys = next;
});

step('who may only see sees no key and no button', async () => {
	const viewer = await person({ name: 'viewer' });

	knock(keys);
	await viewer.page.locator('table[aria-label="Open now"] td:text-is("tcp/22")').waitFor();
	assert.equal(await viewer.page.locator('button:visible:text-is("Close")').count(), 0);
	assert.equal((await viewer.page.innerText('#tabmenu')).trim(), 'Status');
	assert.equal(await viewer.page.evaluate(async () => (await fetch('users')).status), 403);
	assert.deepEqual(viewer.faults, []);
	await viewer.page.context().close();
});

step('two browsers that edit do not undo each other, and a deleted user is not saved in silence', async () => {
	const other = await person();

	for (const one of [ root, other ])
		await one.go('users');

	await root.edit('phone');
	await root.field('timeout').locator('input').fill('55');
	await root.save();
	await other.edit('alice');
	await other.field('timeout').locator('input').fill('66');
	await other.save();
	await root.apply();
	await other.apply();
	assert.ok(configuration().includes(`option timeout '55'`) && configuration().includes(`option timeout '66'`));

	await root.go('users');
	await root.page.locator('tr[data-sid="alice"] button:text-is("Delete")').click();
	await root.apply();
	await other.edit('alice');
	await other.field('timeout').locator('input').fill('67');
	await other.press('Save', '.modal');
	await other.see('If somebody else has changed the users meanwhile');
	assert.doesNotMatch(configuration(), /'alice'/);
	await other.page.context().close();
});

step('a configuration that was mangled by hand is shown, and nothing of it runs', async () => {
	const before = configuration();

	writeFileSync(CONFIG, `${before}
config access 'odd'
	option enabled 'maybe'
	option format '"<img src=x onerror=alert(1)>'
	list open '<script>alert(2)</script>'
	option require_username 'é"<b>'
`);
	await root.go('users');
	await root.see('The daemon refuses this configuration');
	assert.match(await root.text(), /"<img src=x onerror=alert\(1\)>/);
	await root.edit('odd');
	await root.tab('limits');
	await root.shot('odd');

	writeFileSync(CONFIG, `${before}\nconfig access 'not closed\n`);

	for (const where of [ 'users', 'settings' ]) {
		await root.go(where);
		await root.see('The file /etc/config/spa-knockd cannot be read');
	}

	writeFileSync(CONFIG, before);
});

step('when the daemon is switched off, the page does not say that nothing is open', async () => {
	await root.go('settings');
	/* LuCI opens the tab that was seen last. */
	await root.tab('general');
	await root.field('enabled').locator('input[type=checkbox]').uncheck();
	await root.apply();
	await root.go('status');
	await root.see('spa-knockd is switched off');
	await root.see('Not known, because spa-knockd does not answer.');
	assert.doesNotMatch(await root.text(), /Nothing is open/);
	await root.go('settings');
	await root.field('enabled').locator('input[type=checkbox]').check();
	await root.apply();
	await root.go('status');
	await root.see('Running, knocks are honoured');
});

step('who is logged out is told so', async () => {
	const other = await person();

	await other.page.evaluate(() => fetch('/cgi-bin/luci/logout'));
	await other.see('Session expired');
	await other.page.context().close();
});

step('the pages fit a phone and a desktop, in both themes, light and dark', async () => {
	for (const width of [ 360, 1100 ])
		for (const dark of [ false, true ]) {
			const one = await person({ width, dark });

			for (const theme of [ 'bootstrap', 'material' ])
				for (const where of [ 'status', 'users', 'settings', 'test' ]) {
					await one.go(where, theme);
					await one.shot(`${where} ${theme} ${width}${dark ? ' dark' : ''}`);

					/* Material's own row of tabs is wider than a phone. */
					const right = await one.page.evaluate(() => {
						const view = document.querySelector('#view');

						return view.getBoundingClientRect().left + view.scrollWidth;
					});

					assert.ok(right <= width, `${where} in ${theme} at ${width} ends at ${right}`);
				}

			assert.deepEqual(one.faults, []);
			await one.page.context().close();
		}
});
