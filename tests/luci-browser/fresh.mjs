/* From the configuration that the package brings to a knock that is honoured, in the browser and on the phone alone. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { isOpen, keysOf, knock, knockAs, readCode } from './browser.mjs';
import { closeAll, configuration, journey, root, seenWithin, step } from './steps.mjs';

const SAMPLE = new URL('../../files/etc/config/spa-knockd', import.meta.url);

/* Chooses a value in a list that drops down, or takes it back. */
async function choose(name, value) {
	await root.field(name).locator('.cbi-dropdown').click();
	await root.field(name).locator(`li[data-value="${value}"]`).first().click();
	await root.page.keyboard.press('Escape');
}

/* What Ctrl+V gives, elsewhere on the pages. */
async function pasted() {
	await root.go('test');
	await root.page.focus('#spa-knockd-payload');
	await root.page.keyboard.press('Control+V');

	return root.page.inputValue('#spa-knockd-payload');
}

step('a fresh install says that it is switched off', async () => {
	assert.equal(configuration(), readFileSync(SAMPLE, 'utf8'));
	await root.page.locator('#topmenu :text("Port Knocking")').waitFor({ state: 'attached' });
	assert.match(await root.text(), /spa-knockd is switched off/);
	assert.doesNotMatch(await root.text(), /Nothing is open/);
	await root.shot('fresh');
});

step('the network is chosen and the daemon switched on, which says that a user is missing', async () => {
	await root.go('settings');
	await root.field('network').locator('li[data-value="wan"][selected]').first().waitFor({ state: 'attached' });
	await choose('network', 'lan');
	await root.field('enabled').locator('input[type=checkbox]').check();
	await root.apply();
	await root.see('The daemon refuses this configuration');
	await root.go('status');
	await root.see('spa-knockd does not run, because its configuration has mistakes.');
});

step('a new user gets keys, and a QR code with them that is hidden first', async () => {
	await root.go('users');
	await root.press('New user…');
	await root.page.locator('.modal input[type=text]').first().fill('<script>');
	await root.press('Create with new keys');
	await root.page.locator('.modal .alert-message', { hasText: 'Only letters, digits and underscores' }).waitFor();
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
	journey.keys = keysOf(await readCode(root.page));
	assert.ok(configuration().includes(`option key_base64 '${journey.keys.encryption}'`) && configuration().includes(`option hmac_key_base64 '${journey.keys.hmac}'`));
	await root.shot('provisioning');
	await root.press('Close', '.modal');
});

step('a network is taken back, and nobody listens there any more', async () => {
	await root.go('status');
	await root.page.locator('tr:has(th:text-is("Networks")) td:text-is("lan, wan")').waitFor();
	await root.go('settings');
	await choose('network', 'lan');
	await root.apply();
	await root.go('status');
	await root.page.locator('tr:has(th:text-is("Waits for")) td:text-is("udp 62201 on wan")').waitFor();
});

step('a knock with these keys is seen within three seconds, and closed again', async () => {
	await root.go('status');
	await root.see('Running, knocks are honoured');
	assert.equal(isOpen(22), false);

	const grant = seenWithin(3000, root.page.locator('table[aria-label="Open now"] tr:has-text("203.0.113.2"):has-text("tcp/22")'));

	knock(journey.keys);
	await grant;
	assert.equal(isOpen(22), true);
	await root.see('Opened tcp/22 for 203.0.113.2');
	await root.shot('status');
	await root.press('Close');
	await root.press('Close', '.modal');
	await root.see('Nothing is open.');
	assert.equal(isOpen(22), false);
});

step('what a computer needs is copied, and the client knocks by it', async () => {
	await root.go('users');
	await root.page.locator('tr[data-sid="phone"] button:text-is("Connect…")').click();
	await root.page.fill('#spa-knockd-server', '203.0.113.1');
	await root.press('Copy with the keys');
	await root.see('Copied.');

	const rc = await pasted();

	await root.go('users');
	await root.page.locator('tr[data-sid="phone"] button:text-is("Connect…")').click();
	await root.press('Copy the command');
	await root.see('Copied.');

	const command = await pasted();

	assert.equal(command, 'fwknop -n phone');
	assert.match(rc, /^\[phone\]\nSPA_SERVER +203\.0\.113\.1\nACCESS +tcp\/22\nALLOW_IP +resolve\n/);
	/* No web service tells the address here. */
	writeFileSync(`${process.env.ETC}/../fwknoprc`, rc.replace(/^(ALLOW_IP +).*$/m, '$1203.0.113.2'), { mode: 0o600 });
	await root.go('status');

	const grant = seenWithin(3000, root.page.locator('table[aria-label="Open now"] tr:has-text("203.0.113.2"):has-text("tcp/22")'));

	knockAs(command, `${process.env.ETC}/../fwknoprc`);
	await grant;
	await closeAll();
});
