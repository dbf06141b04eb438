// What the component is made of; only a component can load it.

import { driver } from './driver.js';
import { exported } from './tracker-driver/component.js';

export const inventory = exported(driver);
