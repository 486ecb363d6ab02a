//! Accounts: what each owns per asset, free and locked, and the fees collected.
//!
//! All changes are made in a [`Transaction`]: it works on copies, each step exact or refused, and is committed whole or
//! dropped. So a refusal in the middle of a match leaves no trace.

use rust_decimal::Decimal;

use super::{
    config::{AssetConfig, ConfigError},
    event::{BalanceEvent, BalanceReason},
    exact,
    reject::Reject,
    types::{AccountId, AssetId, Balance, FeeDebit, FeeRates, OrderId},
};

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Dense id.
    pub id: AccountId,
    /// Numeric user id, as private streams show it.
    pub user_id: u64,
    /// A name for reports.
    pub name: String,
    /// Fee rates of its future fills.
    pub fees: FeeRates,
    /// In which asset it pays them.
    pub debit: FeeDebit,
    /// Its self-trade group, if it is in one.
    pub stp_group: Option<u64>,
    pub(super) balances: Vec<Balance>,
}

/// The books don't add up: a bug of the simulator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asset}: accounts {owned} and fees {fees} do not sum to deposits {deposited}")]
pub struct ConservationError {
    /// Asset.
    pub asset: String,
    /// Sum over all accounts of available and locked.
    pub owned: Decimal,
    /// Fees collected.
    pub fees: Decimal,
    /// Deposits.
    pub deposited: Decimal,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) accounts: Vec<Account>,
    pub(super) fees_collected: Vec<Decimal>,
    pub(super) deposited: Vec<Decimal>,
}

impl Ledger {
    pub(super) fn new(assets: usize) -> Ledger {
        let mut ledger =
            Ledger { accounts: Vec::new(), fees_collected: vec![Decimal::ZERO; assets], deposited: vec![Decimal::ZERO; assets] };
        let market = ledger.add_account(0, "market".to_owned(), FeeRates::ZERO);
        assert!(market == Ok(AccountId::MARKET), "Invariant: the market is the first account");
        ledger
    }

    pub(super) fn add_account(&mut self, user_id: u64, name: String, fees: FeeRates) -> Result<AccountId, ConfigError> {
        if self.accounts.iter().any(|account| account.user_id == user_id) {
            return Err(ConfigError::DuplicateUser(user_id));
        }
        let index = u32::try_from(self.accounts.len())
            .map_err(|_| ConfigError::OutOfRange { what: "accounts".to_owned(), why: "there are too many" })?;
        let id = AccountId(index);
        let balances = vec![Balance::ZERO; self.deposited.len()];
        self.accounts.push(Account { id, user_id, name, fees, debit: FeeDebit::Received, stp_group: None, balances });
        Ok(id)
    }

    pub(super) fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        self.accounts
            .get(account.index())
            .and_then(|account| account.balances.get(asset.index()))
            .copied()
            .unwrap_or(Balance::ZERO)
    }

    pub(super) fn conservation_check(&self, assets: &[AssetConfig]) -> Result<(), ConservationError> {
        for (index, asset) in assets.iter().enumerate() {
            let (fees, deposited) = (self.fees_collected[index], self.deposited[index]);
            let mut owned = Ok(Decimal::ZERO);
            for account in &self.accounts {
                let balance = &account.balances[index];
                owned = owned.and_then(|sum| exact::add(sum, balance.available)).and_then(|sum| exact::add(sum, balance.locked));
            }
            let owned_sum = owned.unwrap_or(Decimal::MAX);
            if owned.and_then(|owned| exact::add(owned, fees)) != Ok(deposited) {
                return Err(ConservationError { asset: asset.name.clone(), owned: owned_sum, fees, deposited });
            }
        }
        Ok(())
    }

    /// Makes the changes of a transaction real.
    pub(super) fn commit(&mut self, transaction: Transaction) -> Vec<BalanceEvent> {
        for (account, asset, balance) in transaction.changed {
            let whole = account == AccountId::MARKET || balance.available >= Decimal::ZERO && balance.locked >= Decimal::ZERO;
            assert!(whole, "Invariant: only the market account may be negative");
            self.accounts[account.index()].balances[asset.index()] = balance;
        }
        for (asset, total) in transaction.fees {
            self.fees_collected[asset.index()] = total;
        }
        transaction.events
    }
}

/// A set of balance changes that is committed whole or not at all.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    t_ns: u64,
    changed: Vec<(AccountId, AssetId, Balance)>,
    fees: Vec<(AssetId, Decimal)>,
    events: Vec<BalanceEvent>,
}

impl Transaction {
    pub(super) fn at(t_ns: u64) -> Transaction {
        Transaction { t_ns, ..Transaction::default() }
    }

    /// Locks `amount` of what is available for `reason`.
    pub(super) fn hold(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        amount: Decimal,
        order: OrderId,
        reason: BalanceReason,
    ) -> Result<(), Reject> {
        if account == AccountId::MARKET {
            return Ok(());
        }
        if self.balance(ledger, account, asset).available < amount {
            return Err(Reject::BalanceNotEnough);
        }
        self.change(ledger, account, asset, -amount, amount, Some(order), reason)
    }

    /// Frees `amount` of what is locked.
    pub(super) fn release(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        amount: Decimal,
        order: OrderId,
    ) -> Result<(), Reject> {
        if account == AccountId::MARKET || amount.is_zero() {
            return Ok(());
        }
        self.change(ledger, account, asset, amount, -amount, Some(order), BalanceReason::OrderRelease)
    }

    /// Spends `amount` out of the hold; the market account, which has none, out of what is available.
    pub(super) fn spend(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        amount: Decimal,
        order: OrderId,
    ) -> Result<(), Reject> {
        let (available, locked) = if account == AccountId::MARKET { (-amount, Decimal::ZERO) } else { (Decimal::ZERO, -amount) };
        self.change(ledger, account, asset, available, locked, Some(order), BalanceReason::OrderMatch)
    }

    /// Receives `amount`.
    pub(super) fn receive(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        amount: Decimal,
        order: OrderId,
    ) -> Result<(), Reject> {
        self.change(ledger, account, asset, amount, Decimal::ZERO, Some(order), BalanceReason::OrderMatch)
    }

    /// Pays `fee` out of what is available.
    pub(super) fn pay_fee(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        fee: Decimal,
        order: OrderId,
    ) -> Result<(), Reject> {
        if !fee.is_zero() {
            self.change(ledger, account, asset, -fee, Decimal::ZERO, Some(order), BalanceReason::Fee)?;
            let so_far =
                self.fees.iter().find(|(of, _)| *of == asset).map_or(ledger.fees_collected[asset.index()], |(_, sum)| *sum);
            let sum = exact::add(so_far, fee).map_err(|_| Reject::NotRepresentable)?;
            match self.fees.iter_mut().find(|(of, _)| *of == asset) {
                Some(entry) => entry.1 = sum,
                None => self.fees.push((asset, sum)),
            }
        }
        Ok(())
    }

    /// Money from outside.
    pub(super) fn deposit(&mut self, ledger: &Ledger, account: AccountId, asset: AssetId, amount: Decimal) -> Result<(), Reject> {
        self.change(ledger, account, asset, amount, Decimal::ZERO, None, BalanceReason::Deposit)
    }

    /// Money to outside.
    pub(super) fn withdraw(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        amount: Decimal,
    ) -> Result<(), Reject> {
        self.change(ledger, account, asset, -amount, Decimal::ZERO, None, BalanceReason::Withdrawal)
    }

    /// What the account will own once the transaction is committed.
    pub(super) fn balance(&self, ledger: &Ledger, account: AccountId, asset: AssetId) -> Balance {
        self.changed
            .iter()
            .find(|(of, what, _)| (*of, *what) == (account, asset))
            .map_or_else(|| ledger.balance(account, asset), |(_, _, balance)| *balance)
    }

    fn change(
        &mut self,
        ledger: &Ledger,
        account: AccountId,
        asset: AssetId,
        available_change: Decimal,
        locked_change: Decimal,
        order: Option<OrderId>,
        reason: BalanceReason,
    ) -> Result<(), Reject> {
        let exactly = |a: Decimal, b: Decimal| exact::add(a, b).map_err(|_| Reject::NotRepresentable);
        let before = self.balance(ledger, account, asset);
        let available = exactly(before.available, available_change)?;
        let locked = exactly(before.locked, locked_change)?;
        let total = exactly(available, locked)?;
        let after = Balance { available, locked, update_id: before.update_id + 1 };
        match self.changed.iter_mut().find(|(of, what, _)| (*of, *what) == (account, asset)) {
            Some(entry) => entry.2 = after,
            None => self.changed.push((account, asset, after)),
        }
        if account != AccountId::MARKET {
            self.events.push(BalanceEvent {
                t_ns: self.t_ns,
                account,
                asset,
                change: exactly(available_change, locked_change)?,
                locked_change,
                total,
                available,
                locked,
                update_id: after.update_id,
                order,
                reason,
            });
        }
        Ok(())
    }
}
