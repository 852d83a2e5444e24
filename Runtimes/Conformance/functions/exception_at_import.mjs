throw new RangeError('the table is missing');
