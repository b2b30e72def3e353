//! Changes one by one, as tests like them.

use super::*;

impl Checkpoint<'_> {
    /// Inserts or replaces a record.
    pub(crate) fn put(
        &mut self,
        keyspace: u32,
        hash: u128,
        key: &[u8],
        expire_at: u64,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let value = Some((kind, payload));
        self.change_records(keyspace, &[RecordChange { hash, key, expire_at, value }])
    }

    /// Removes a record. False: there was none.
    pub(crate) fn delete(
        &mut self,
        keyspace: u32,
        hash: u128,
        key: &[u8],
    ) -> Result<bool, StoreError> {
        let before = self.store.tables.records.len(&self.txn).unwrap();
        let change = RecordChange { hash, key, expire_at: 0, value: None };
        self.change_records(keyspace, &[change])?;
        Ok(self.store.tables.records.len(&self.txn).unwrap() < before)
    }

    /// Inserts or replaces a part.
    pub(crate) fn put_part(
        &mut self,
        keyspace: u32,
        value: u64,
        part: &NewPart<'_>,
    ) -> Result<(), StoreError> {
        let items = Some((part.kind, part.payload));
        let (start, until) = (part.start, part.until);
        self.change_parts(keyspace, &[PartChange { value, start, until, items }])
    }

    /// Removes a part. False: there was none.
    pub(crate) fn delete_part(
        &mut self,
        keyspace: u32,
        value: u64,
        start: u64,
    ) -> Result<bool, StoreError> {
        let before = self.store.tables.parts.len(&self.txn).unwrap();
        let change = PartChange { value, start, until: start, items: None };
        self.change_parts(keyspace, &[change])?;
        Ok(self.store.tables.parts.len(&self.txn).unwrap() < before)
    }
}
