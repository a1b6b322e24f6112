//! What is past ends: each kind after its days, a little with each sweep.

use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    usage_ends_after_its_days,
    a_sweep_gets_on_by_some_days,
    days_a_year_apart_do_not_share_a_place,
);

async fn usage_ends_after_its_days(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 1d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 20d
        sweep open=38s doubt=1d usage=20 -> swept marked 0 resolved 0
        show usage                  -> day 0 100 IN marketing 1 1.00, day 1 100 IN marketing 1 1.00
        at 21d
        sweep open=38s doubt=1d usage=20 -> swept marked 0 resolved 0
        show usage                       -> day 1 100 IN marketing 1 1.00
        # What ended does not come back if more is to be kept.
        sweep open=38s doubt=1d usage=90 -> swept marked 0 resolved 0
        show usage                       -> day 1 100 IN marketing 1 1.00
    ";
    check(case, script).await;
}

async fn a_sweep_gets_on_by_some_days(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 40d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 44d
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0 more
        show usage                       -> day 40 100 IN marketing 1 1.00
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0 more
        show usage                       -> day 40 100 IN marketing 1 1.00
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0
        show usage                       -> none
    ";
    check(case, script).await;
}

async fn days_a_year_apart_do_not_share_a_place(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 64d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 256d
        send c                           -> held 1.00 left 6.00
        settle c                         -> settled 1.00
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0
        show usage \
            -> day 64 100 IN marketing 1 1.00, day 256 100 IN marketing 1 1.00
    ";
    check(case, script).await;
}
