//! Campaigns: created, stopped, restarted by a person, finished.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeMap;

use crate::amount::Amount;
use crate::ids::CampaignId;
use crate::ledger::Verdict;
use crate::ledger::event::EventKind;
use crate::ledger::operation::CampaignPlan;
use crate::ledger::rejection::StopReason;
use crate::ledger::state::{AccountState, Campaign};
use crate::ledger::view::CampaignState;

impl Campaign {
    pub(in crate::ledger) const fn new(name: String) -> Campaign {
        Campaign {
            name,
            wallet: None,
            stopped: None,
            epoch: 0,
            budget: None,
            dedupe_recipients: false,
            exempt_from_caps: false,
            spent: Amount::ZERO,
            held: Amount::ZERO,
            accepted: 0,
            unknown: 0,
            rejected: BTreeMap::new(),
            refused: BTreeMap::new(),
            usage: BTreeMap::new(),
            used_day: 0,
        }
    }
}

impl AccountState {
    pub(super) fn create_campaign(&mut self, plan: &CampaignPlan) -> Verdict {
        let epoch = match self.check_create(plan) {
            Ok(epoch) => epoch,
            Err(verdict) => return *verdict,
        };
        let campaign = Campaign {
            wallet: plan.wallet.clone(),
            epoch,
            budget: plan.budget,
            dedupe_recipients: plan.dedupe_recipients,
            exempt_from_caps: plan.exempt_from_caps,
            ..Campaign::new(plan.name.clone())
        };
        self.add_campaign(&plan.id, campaign);
        self.campaign_verdict(&plan.id)
    }

    /// The epoch with which the campaign begins; fails with the verdict if it exists or may not
    /// begin.
    fn check_create(&self, plan: &CampaignPlan) -> Result<u64, Box<Verdict>> {
        if let Some(found) = self.campaigns.get(&plan.id) {
            let same = found.name == plan.name
                && (plan.wallet.is_none() || found.wallet == plan.wallet)
                && found.budget == plan.budget
                && found.dedupe_recipients == plan.dedupe_recipients
                && found.exempt_from_caps == plan.exempt_from_caps;
            return Err(Box::new(if same {
                self.campaign_verdict(&plan.id)
            } else {
                Verdict::CampaignExists
            }));
        }
        let wallet = plan.wallet.as_ref().map(|id| self.wallets.get(id));
        let epoch = match wallet {
            Some(None) => return Err(Box::new(Verdict::WalletUnknown)),
            Some(Some(wallet)) if wallet.exhausted => {
                return Err(Box::new(Verdict::WalletExhausted));
            }
            Some(Some(wallet)) => wallet.epoch,
            None if !self.wallets.is_empty()
                && self.wallets.values().all(|wallet| wallet.exhausted) =>
            {
                return Err(Box::new(Verdict::WalletExhausted));
            }
            None => 0,
        };
        if plan.budget.is_some_and(Amount::is_negative) {
            return Err(Box::new(Verdict::OutOfRange));
        }
        Ok(epoch)
    }

    /// Stopping a campaign that was stopped for a reason of its own succeeds and changes nothing.
    pub(super) fn stop_campaign(
        &mut self,
        id: &CampaignId,
        reason: StopReason,
        now_ms: i64,
    ) -> Verdict {
        if let Err(verdict) = self.check_stop(id) {
            return *verdict;
        }
        let Some(campaign) = self.campaign_mut(id) else { return Verdict::CampaignUnknown };
        campaign.stopped = Some((reason, now_ms));
        let wallet = campaign.wallet.clone();
        self.event(EventKind::CampaignStopped, now_ms, |event| {
            event.wallet = wallet;
            event.campaign = Some(id.clone());
            event.reason = Some(reason);
        });
        self.campaign_verdict(id)
    }

    /// Whether there is anything to stop; fails with the verdict if not.
    fn check_stop(&self, id: &CampaignId) -> Result<(), Box<Verdict>> {
        let campaign = self.campaigns.get(id).ok_or_else(|| Box::new(Verdict::CampaignUnknown))?;
        match campaign.stopped {
            Some((StopReason::Finished, _)) => Err(Box::new(Verdict::CampaignFinished)),
            Some(_) => Err(Box::new(self.campaign_verdict(id))),
            None => Ok(()),
        }
    }

    pub(super) fn restart_campaign(&mut self, id: &CampaignId, now_ms: i64) -> Verdict {
        let epoch = match self.check_restart(id) {
            Ok(epoch) => epoch,
            Err(verdict) => return *verdict,
        };
        let Some(campaign) = self.campaign_mut(id) else { return Verdict::CampaignUnknown };
        campaign.stopped = None;
        campaign.epoch = epoch;
        let wallet_id = campaign.wallet.clone();
        self.event(EventKind::CampaignRestarted, now_ms, |event| {
            event.wallet = wallet_id;
            event.campaign = Some(id.clone());
        });
        self.campaign_verdict(id)
    }

    /// The epoch with which the campaign runs again; fails with the verdict if it may not, or need
    /// not.
    fn check_restart(&self, id: &CampaignId) -> Result<u64, Box<Verdict>> {
        let campaign = self.campaigns.get(id).ok_or_else(|| Box::new(Verdict::CampaignUnknown))?;
        match self.campaign_state(campaign) {
            CampaignState::Finished { .. } => return Err(Box::new(Verdict::CampaignFinished)),
            CampaignState::Active => return Err(Box::new(self.campaign_verdict(id))),
            CampaignState::Stopped { .. } => {}
        }
        let wallet = campaign.wallet.as_ref().and_then(|id| self.wallets.get(id));
        if let Some(wallet) = wallet
            && wallet.epoch != campaign.epoch
            && wallet.available() < wallet.refused_price
        {
            let (needed, available) = (wallet.refused_price, wallet.available());
            return Err(Box::new(Verdict::Shortfall { needed, available }));
        }
        Ok(wallet.map_or(0, |wallet| wallet.epoch))
    }

    pub(super) fn finish_campaign(&mut self, id: &CampaignId, now_ms: i64) -> Verdict {
        if let Err(verdict) = self.check_finish(id) {
            return *verdict;
        }
        let Some(campaign) = self.campaign_mut(id) else { return Verdict::CampaignUnknown };
        campaign.stopped = Some((StopReason::Finished, now_ms));
        self.age_recipients(id);
        self.campaign_verdict(id)
    }

    /// Whether there is anything to finish; fails with the verdict if not.
    fn check_finish(&self, id: &CampaignId) -> Result<(), Box<Verdict>> {
        let campaign = self.campaigns.get(id).ok_or_else(|| Box::new(Verdict::CampaignUnknown))?;
        match campaign.stopped {
            Some((StopReason::Finished, _)) => Err(Box::new(self.campaign_verdict(id))),
            _ => Ok(()),
        }
    }

    fn campaign_verdict(&self, id: &CampaignId) -> Verdict {
        self.campaign_view(id)
            .map_or(Verdict::CampaignUnknown, |view| Verdict::Campaign(Box::new(view)))
    }
}
