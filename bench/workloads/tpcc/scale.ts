/**
 * How large TPC-C's tables are. `FULL_SCALE` is clause 1.2.1 of revision 5.11; `TEST_SCALE` keeps every proportion but
 * the numbers of items, customers and orders, so that a warehouse loads in a moment: what it measures is no TPC-C.
 */
export interface Scale {
  readonly warehouses: number;
  readonly items: number;
  readonly districtsPerWarehouse: number;
  /** As many orders are loaded as there are customers: one each. */
  readonly customersPerDistrict: number;
}

export const FULL_SCALE: Omit<Scale, 'warehouses'> = {
  items: 100_000,
  districtsPerWarehouse: 10,
  customersPerDistrict: 3000,
};

export const TEST_SCALE: Omit<Scale, 'warehouses'> = {
  items: 200,
  districtsPerWarehouse: 10,
  customersPerDistrict: 30,
};

/** Orders up to this number are delivered when they are loaded; the last 30 % are not (clause 4.3.3.1). */
export function deliveredOrders({ customersPerDistrict }: Scale): number {
  return Math.floor(customersPerDistrict * 0.7);
}
