// What the component is made of; only a component can load it.

import { exported } from '../js-sdk/tracker-driver/component.js';
import { driver } from './driver.js';

export const inventory = exported(driver);
