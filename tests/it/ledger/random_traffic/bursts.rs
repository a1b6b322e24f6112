//! Batches in which much is alike: sends of one kind in one go, settles in one go.

use std::sync::Arc;

use tollgate::amount::Amount;
use tollgate::ids::HoldId;
use tollgate::ledger::state::AccountState;
use tollgate::ledger::{Operation, Reserve};

use super::{Dice, Traffic, WALLETS};
use crate::support::day;

impl Traffic {
    /// Settles in the order of their holds; or sends of one kind to many, some of them settled at
    /// once.
    pub(super) fn burst(
        &mut self,
        dice: &mut Dice,
        model: &AccountState,
        gateway_ms: i64,
    ) -> Vec<Operation> {
        let day = day(gateway_ms);
        let settle = |hold: HoldId| {
            let message_id = Some(Arc::from(format!("wamid.{hold}")));
            Operation::Settle { hold, message_id, day }
        };
        if dice.percent(40) {
            let most = 1 + dice.below(30);
            let open = model.hold_views_after(None, None).map(|view| view.id);
            return open.take(most).map(settle).collect();
        }
        let kind = self.send(model, gateway_ms);
        let mut operations = Vec::new();
        let known = kind.wallet.clone().filter(|id| WALLETS.contains(&id.as_str()));
        if let Some(wallet) = known.filter(|_| dice.percent(60)) {
            self.made += 1;
            let amount = Amount::from_micros(self.unit * 30).unwrap();
            let reference = format!("pay/{}", self.made).into();
            operations.push(Operation::TopUp { wallet: wallet.clone(), amount, reference });
            let below = |times| Amount::from_micros(self.unit * times).unwrap();
            let thresholds = Some([3, 8, 20].map(below).into());
            operations.extend(dice.percent(50).then_some(Operation::PutWallet {
                wallet,
                overdraft_limit: None,
                low_balance_thresholds: thresholds,
            }));
        }
        let (mut holds, mut id) = (Vec::new(), *self.unlike_hold(gateway_ms).as_bytes());
        for position in 0..2 + dice.below(20) {
            id[15] = u8::try_from(position).unwrap();
            let hold = HoldId::from_bytes(id);
            holds.push(hold);
            let other = Amount::from_micros(self.unit * *dice.pick(&[0, 1, 2])).unwrap();
            let another = kind.wallet.is_some() && dice.percent(20);
            operations.push(Operation::Reserve(Box::new(Reserve {
                hold,
                channel: dice.pick(&["100", "200"]).parse().unwrap(),
                country: dice.pick(&["IN", "IN", "IN", "IN", "DE"]).parse().unwrap(),
                amount: if another { other } else { kind.amount },
                recipient: [u8::try_from(dice.below(40)).unwrap(); 8],
                spelled: None,
                fingerprint: *hold.as_bytes(),
                key: None,
                guarding: false,
                ..kind.clone()
            })));
        }
        if dice.percent(40) {
            operations.extend(holds.into_iter().take(dice.below(20)).map(settle));
        }
        operations
    }
}
