/* What is wrong with the router or its configuration, and how the pages say it. */
import assert from 'node:assert/strict';
import { readFileSync, unlinkSync } from 'node:fs';
import { isOpen, knock, person } from './browser.mjs';
import { EVIL, closeAll, configuration, journey, mishap, onRouter, root, step, writeConfiguration } from './steps.mjs';

const SAMPLE = new URL('../../files/etc/config/spa-knockd', import.meta.url);

/* Every option that the sample has below a section of this type. */
function options(type) {
	const section = readFileSync(SAMPLE, 'utf8').split(/^config /m).find(text => text.startsWith(type));

	return Array.from(section.matchAll(/^#?\t(option|list) (\w+) /gm), ([ , kind, name ]) => ({ kind, name }));
}

step('a configuration that was mangled by hand is shown, and nothing of it runs', async () => {
	const before = configuration();

	writeConfiguration(`${before}
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

	writeConfiguration(`${before}\nconfig access 'not closed\n`);

	for (const where of [ 'users', 'settings' ]) {
		await root.go(where);
		await root.see('The file /etc/config/spa-knockd cannot be read');
	}

	writeConfiguration(before);
});

step('whatever stands in the options is shown as text, in every tab', async () => {
	const before = configuration();
	const section = (type, name) => `\nconfig ${type} '${name}'\n` + options(type).map(({ kind, name }) => `\t${kind} ${name} '${EVIL}'\n`).join('');

	writeConfiguration(section('spa-knockd', 'main').replace(/option enabled .*/, 'option enabled \'1\'') + section('access', 'odd') + before.slice(before.indexOf('config access')));

	for (const [ where, names ] of [ [ 'settings', [ 'general', 'transport', 'firewall', 'logging' ] ], [ 'users', [ 'general', 'keyring', 'limits', 'forward', 'advanced' ] ] ]) {
		await root.go(where);
		await root.see('The daemon refuses this configuration');

		if (where == 'users')
			await root.edit('odd');

		for (const name of names)
			await root.tab(name);

		assert.equal(await root.page.locator('img[src=x]').count(), 0);
	}

	await root.press('Save', '.modal');
	await root.page.locator('.modal', { hasText: 'This was not saved' }).waitFor();
	assert.equal(await root.page.locator('img[src=x]').count(), 0);
	await root.go('status');
	await root.see('Because of these mistakes, spa-knockd still works by the configuration before them.');
	writeConfiguration(before);
});

step('a port that is open to everybody is named, with the way to guard it', async () => {
	const firewall = configuration('firewall');
	const ruleset = onRouter([ 'nft', 'list', 'table', 'inet', 'fw4' ]);

	writeConfiguration(`${firewall}\nconfig redirect\n\toption name '${EVIL}'\n\toption src 'wan'\n\toption proto 'tcp'\n\toption src_dport '443'\n`
		+ '\toption dest \'lan\'\n\toption dest_ip \'192.168.77.10\'\n\toption dest_port \'8443\'\n', 'firewall');
	onRouter([ 'nft', '-f', '-' ], 'insert rule inet fw4 dstnat iifname wan tcp dport 443 dnat ip to 192.168.77.10:8443\n'
		+ 'insert rule inet fw4 forward ct status dnat accept\ninsert rule inet fw4 input_wan tcp dport 22 accept\n');
	await root.go('status');
	await root.page.locator(`.alert-message:has-text("tcp/443 leads everybody to 192.168.77.10:8443, by the port forward")`).waitFor();
	await root.page.locator('.alert-message:has-text("Problem:"):has-text("tcp/22")').waitFor();
	assert.ok((await root.text()).includes(EVIL));
	await root.shot('exposed');
	await root.page.locator('.alert-message a:text-is("Guard it with a knock")').click();
	await root.page.locator('.modal [data-name="_forward"] .item:has-text("tcp/443=192.168.77.10:8443")').waitFor();
	await root.press('Dismiss', '.modal');
	writeConfiguration(firewall, 'firewall');
	onRouter([ 'nft', '-f', '-' ], `delete table inet fw4\n${ruleset}`);
	await root.go('status');
	await root.see('Running, knocks are honoured');
	await root.page.locator('.alert-message').first().waitFor({ state: 'detached' });
});

step('a firewall, a network or a daemon that is gone is said, and that it is back', async () => {
	const ruleset = onRouter([ 'nft', 'list', 'table', 'inet', 'fw4' ]);

	await root.go('status');
	onRouter([ 'nft', 'delete', 'table', 'inet', 'fw4' ]);
	await root.see('Running, but knocks are refused');
	await root.page.locator('.alert-message:has-text("Problem:"):has-text("fw4")').first().waitFor();
	onRouter([ 'nft', '-f', '-' ], ruleset);
	await root.see('Running, knocks are honoured');

	onRouter([ 'ip', '-batch', '-' ], 'link set wan down\nlink set wan name gone\n');
	await root.page.locator('.alert-message:has-text("wan: there is no such network device")').waitFor();
	onRouter([ 'ip', '-batch', '-' ], 'link set gone name wan\nlink set wan up\n');
	await root.see('Running, knocks are honoured');

	for (const [ breaking, mending ] of [
		[ () => mishap('stop'), () => mishap('follow') ],
		[ () => unlinkSync(process.env.SOCKET), () => mishap('stop').then(() => mishap('follow')) ]
	]) {
		await breaking();
		await root.see('spa-knockd does not run, so every knock is ignored. Start it');
		await root.see('Not known, because spa-knockd does not answer.');
		await root.go('test');
		await root.press('Wait for a knock');
		await root.see('spa-knockd does not run, so it cannot answer.');
		await root.go('users');
		assert.equal(await root.page.locator('tr[data-sid="phone"]').count(), 1);
		await root.go('status');
		await mending();
		await root.see('Running, knocks are honoured');
	}

	knock(journey.keys);
	await root.see('Opened tcp/22 for 203.0.113.2');
	assert.equal(isOpen(22), true);
	await closeAll();
});

step('without the plugin, each page says what to install', async () => {
	const missing = 'The router does not know spa-knockd: install the package spa-knockd';

	await root.go('status');
	await mishap('take the plugin away');
	await root.see(missing);

	for (const where of [ 'users', 'settings' ]) {
		await root.go(where);
		await root.see(missing);
	}

	await root.go('users');
	await root.press('New user…');
	await root.press('Create with new keys');
	await root.page.locator(`.modal [role=alert]:has-text("${missing}")`).waitFor();
	await root.press('Dismiss', '.modal');
	await root.go('test');
	await root.press('Wait for a knock');
	await root.see(missing);
	await mishap('put the plugin back');
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
	await root.go('users');
	await root.press('New user…');
	await root.page.locator('.modal [data-name="_switch_on"] input[type=checkbox]:checked').waitFor();
	await root.press('Create with new keys');
	await root.see('Connect a client as user1');
	await root.press('Apply now');
	await root.see('In force: the client');
	await root.press('Close', '.modal');
	await root.go('status');
	await root.see('Running, knocks are honoured');
});

step('who is logged out is told so', async () => {
	const other = await person();

	await other.page.evaluate(() => fetch('/cgi-bin/luci/logout'));
	await other.see('Session expired');
	await other.page.context().close();
});
