//! How a [`Session`] is saved.

use crate::{
    EventKind, MaxSessions, PublicId, Session, SessionError,
    session::is_due,
    state::Plan,
    store::{Entrance, Found, Index, Membership, Mode, Operation, Outcome, Save, Saved},
};

/// How often a request may find that its session is gone and begin another.
const FRESH_STARTS: usize = 2;

impl Session {
    /// Whether [`finish`](Self::finish) has anything to write.
    pub(crate) fn must_finish(&self) -> bool {
        self.state().must_save() || self.renewal_is_due()
    }

    /// Writes what the request leaves to be written.
    pub(crate) async fn finish(self) -> Result<(), SessionError> {
        let due = self.renewal_is_due();
        if self.state().must_save() {
            if due {
                self.state().renew();
            }
            return self.write_out(None).await.map(|_| ());
        }
        self.state().renew();
        match self.write_out(None).await {
            Ok(_) => {}
            // It ended or was renewed by another request: nothing is lost by that.
            Err(SessionError::Ended) => self.state().stay(),
            // The id only lives longer than it should.
            Err(error) => {
                tracing::warn!(%error, "a session's id was not renewed");
                self.state().stay();
            }
        }
        Ok(())
    }

    fn renewal_is_due(&self) -> bool {
        let renew_every = self.store().times.renew_every;
        match self.found() {
            Some(Found::Live(_)) if renew_every > 0 => {}
            _ => return false,
        }
        self.record().is_some_and(|record| is_due(record, renew_every, self.layer().clock.now()))
    }

    /// Saves what was changed so far, with an operation of the handler's.
    pub(crate) async fn write_out(
        &self,
        operation: Option<(&str, &Operation)>,
    ) -> Result<Option<Saved>, SessionError> {
        let _turn = self.turn_to_save().await;
        for _ in 0..=FRESH_STARTS {
            let mut plan = self.state().plan(self.store(), self.started(), operation)?;
            let outcome = self.carry_out(&mut plan).await?;
            self.state().retired(&plan);
            for name in &plan.ended {
                self.layer().listener.tell(EventKind::Destroyed, *name, None);
            }
            match outcome {
                None => return Ok(None),
                Some(Outcome::Saved(saved)) => {
                    self.saved(&plan, &saved);
                    return Ok(Some(saved));
                }
                Some(outcome) => {
                    if self.begin_again(&plan, outcome, operation).await? {
                        return Ok(None);
                    }
                }
            }
        }
        Err(SessionError::Ended)
    }

    /// Sends the plan's commands, in one round trip unless the number of the
    /// user's sessions has to be looked at first.
    async fn carry_out(&self, plan: &mut Plan) -> Result<Option<Outcome>, SessionError> {
        let store = self.store();
        let save = match plan.save.take() {
            Some(Save::Script(invocation)) => Some(invocation),
            save => {
                if store.is_express() {
                    return self.carry_out_express(plan, save).await;
                }
                None
            }
        };
        let mut all: Vec<_> = plan.retired.iter().map(|id| store.ending(id)).collect();
        let Some(save) = save else {
            if !all.is_empty() {
                plan.note_endings(&mut store.eval_all(&all).await?);
            }
            return Ok(None);
        };
        let (Some(user), Some(id)) = (plan.user.clone(), plan.id.clone()) else {
            if all.is_empty() {
                return Outcome::of(store.eval(&save).await?).map(Some);
            }
            all.push(save);
            let mut replies = store.eval_all(&all).await?;
            plan.note_endings(&mut replies);
            return replies.pop().map(Outcome::of).transpose();
        };
        let (index, name) = (store.index(&user), id.name());
        let entrance = match self.layer().max_sessions {
            MaxSessions::Refuse(most) => Some(index.enter(name, &self.membership(), most).await?),
            most => {
                all.push(index.entering(name, &self.membership(), most)?);
                None
            }
        };
        all.push(save);
        let mut replies = store.eval_all(&all).await?;
        plan.note_endings(&mut replies);
        let outcome = replies.pop().map(Outcome::of).transpose()?;
        let entrance = match entrance {
            Some(entrance) => Some(entrance),
            None => replies.pop().map(Entrance::of).transpose()?,
        };
        if let (Some(entrance), Some(outcome)) = (entrance, &outcome) {
            match outcome {
                Outcome::Saved(_) => self.thin(&index, name, entrance).await,
                outcome => index.leave(name, entrance, matches!(outcome, Outcome::Unknown)),
            }
        }
        Ok(outcome)
    }

    async fn carry_out_express(
        &self,
        plan: &mut Plan,
        save: Option<Save>,
    ) -> Result<Option<Outcome>, SessionError> {
        for id in &plan.retired {
            if self.store().end_express(id).await?.is_some() {
                plan.ended.push(id.name());
            }
        }
        let Some(Save::Express(rewrite)) = save else { return Ok(None) };
        let text = self.record().map(|record| record.text().clone());
        self.store().save_express(rewrite, text).await.map(Some)
    }

    /// Ends the user's sessions that are too many by this login.
    async fn thin(&self, index: &Index<'_>, own: PublicId, entrance: Entrance) {
        let MaxSessions::EndOldest(most) = self.layer().max_sessions else { return };
        let (ended, result) = index.thin(own, entrance, most).await;
        for name in ended {
            self.layer().listener.tell(EventKind::Revoked, name, None);
        }
        if let Err(error) = result {
            tracing::warn!(%error, "a user has too many sessions till their next login");
        }
    }

    fn membership(&self) -> Membership {
        let visitor = self.visitor();
        Membership { agent: visitor.agent(), address: visitor.address }
    }

    fn saved(&self, plan: &Plan, saved: &Saved) {
        self.state().written(plan, saved, self.layer().cookie.is_persistent());
        let kind = match plan.mode {
            Mode::New => EventKind::Created,
            Mode::Renew | Mode::Login => EventKind::Renewed,
            Mode::Use => return,
        };
        if let Some(id) = &plan.id {
            self.layer().listener.tell(kind, id.name(), plan.user.clone());
        }
    }

    /// The store did not save. Either that is an error, or the request goes on
    /// in a new session: the next plan then creates it. `true`: the operation
    /// has to be carried out on values that are only here.
    async fn begin_again(
        &self,
        plan: &Plan,
        outcome: Outcome,
        operation: Option<(&str, &Operation)>,
    ) -> Result<bool, SessionError> {
        let logs_in = plan.user.is_some();
        let was_alive = self.record().is_some() || self.state().is_confirmed();
        match outcome {
            Outcome::Conflict(key) => return Err(SessionError::Conflict { key }),
            Outcome::Full => return Err(SessionError::TooManyKeys),
            Outcome::Unfit => {
                let key = operation.map_or("", |(key, _)| key).into();
                return Err(SessionError::Unfit { key });
            }
            Outcome::Reused { by_schedule } => {
                let id = self.state().named();
                if let Some(id) = id {
                    self.reused(id, by_schedule).await;
                }
            }
            // Whoever logs in has shown who they are; their session may begin anew.
            _ if logs_in => {}
            Outcome::Gone | Outcome::Saved(_) => {
                self.state().end();
                return Err(SessionError::Ended);
            }
            Outcome::Unknown if was_alive => {
                self.state().end();
                return Err(SessionError::Ended);
            }
            Outcome::Unknown => {}
        }
        self.state().start_afresh();
        Ok(operation.is_some())
    }
}
