/* What is changed on the pages, by one person and by two. */
import assert from 'node:assert/strict';
import { knock, person } from './browser.mjs';
import { configuration, connect, journey, root, step } from './steps.mjs';

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
	knock(journey.keys, 'tcp/443');
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

	assert.notDeepEqual(next, journey.keys);
	await root.page.selectOption('#spa-knockd-keys', 'present');
	await root.see('KEY_BASE64');
	await root.page.waitForSelector('.modal svg[role=img]');
	await root.press('Close', '.modal');

	await root.go('status');

	const before = Number(await root.page.innerText('tr:has(th:text-is("Knocks honoured")) td'));
	const honoured = async count => {
		await root.go('status');
		await root.page.locator(`tr:has(th:text-is("Knocks honoured")) td:text-is("${before + count}")`).waitFor();
	};

	knock(journey.keys);
	knock(next);
	await honoured(2);
	await root.go('users');
	await root.edit('phone');
	await root.tab('keyring');
	await root.press('Finish rotation');
	await root.save();
	await root.apply();
	knock(journey.keys);
	knock(next);
	await honoured(3);
	journey.keys = next;
});

step('who may only see sees no key and no button', async () => {
	const viewer = await person({ name: 'viewer' });

	knock(journey.keys);
	await viewer.page.locator('table[aria-label="Open now"] tr:has-text("tcp/22")').waitFor();
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
