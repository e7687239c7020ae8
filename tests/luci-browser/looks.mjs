/* How the pages look, and who can use them. */
import assert from 'node:assert/strict';
import { person } from './browser.mjs';
import { step } from './steps.mjs';

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
