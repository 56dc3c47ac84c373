// The demonstration's shop as a single-page application.

import { testShop } from './support/shop-visits.js'

testShop('/react')
