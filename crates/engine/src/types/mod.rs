//! The types of values: one file for each, with how it lies in memory and its
//! commands.
//!
//! All that keeps, stores, checks, cuts, copies or lists values knows a [`Collection`]
//! and nothing of the types behind it. A new type is a file here that says what
//! [`Items`] asks for, and a line in the list below. Strings are no collection:
//! they are the keyspace's own, see [`Str`](crate::memory::Str).

mod hash;
mod items;
mod walk;

#[cfg(test)]
pub(crate) use self::hash::Hash;
pub(crate) use self::items::Items;
use crate::{
    commands::{Group, dump},
    memory::IN_PARTS,
};

/// Writes down what is one arm for each type: statically, so that a command's
/// way to its structure is a comparison.
macro_rules! types {
    ($($(#[$doc:meta])* $module:ident::$Type:ident = $tag:literal,)+) => {
        /// The type of a value, as stored on disk and as `TYPE` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Kind {
            /// A byte string.
            Str = 0,
            $($(#[$doc])* $Type = $tag,)+
        }

        impl Kind {
            const ALL: &[Self] = &[Self::Str, $(Self::$Type),+];

            /// The word that `TYPE` answers.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    Self::Str => "string",
                    $(Self::$Type => $module::$Type::NAME,)+
                }
            }

            /// The word that `OBJECT ENCODING` answers for a value in parts.
            pub(crate) fn encoding(self, large: bool) -> &'static str {
                match self {
                    Self::Str => "raw",
                    $(Self::$Type => $module::$Type::encoding_of(large),)+
                }
            }
        }

        /// A value of items, or a part of one.
        #[derive(Clone, Debug)]
        pub(crate) enum Collection {
            $($(#[$doc])* $Type(Box<$module::$Type>),)+
        }

        impl Collection {
            /// The type.
            pub(crate) fn kind(&self) -> Kind {
                match self { $(Self::$Type(_) => Kind::$Type,)+ }
            }

            /// See [`Items::len`].
            pub(crate) fn len(&self) -> usize {
                match self { $(Self::$Type(items) => items.len(),)+ }
            }

            /// See [`Items::bytes`].
            pub(crate) fn bytes(&self) -> usize {
                match self { $(Self::$Type(items) => items.bytes(),)+ }
            }

            /// See [`Items::memory`].
            pub(crate) fn memory(&self) -> usize {
                match self { $(Self::$Type(items) => items.memory(),)+ }
            }

            /// See [`Items::is_large`].
            pub(crate) fn is_large(&self) -> bool {
                match self { $(Self::$Type(items) => items.is_large(),)+ }
            }

            /// See [`Items::set_large`].
            pub(crate) fn set_large(&mut self) {
                match self { $(Self::$Type(items) => items.set_large(),)+ }
            }

            /// The names of its items.
            pub(crate) fn names(&self) -> Vec<&[u8]> {
                match self { $(Self::$Type(items) => items.iter().map(|(name, _)| name).collect(),)+ }
            }

            /// See [`Items::encoding`].
            pub(crate) fn encoding(&self) -> &'static str {
                match self { $(Self::$Type(items) => items.encoding(),)+ }
            }

            /// See [`Items::encode`].
            pub(crate) fn encode(&self, out: &mut Vec<u8>) {
                match self { $(Self::$Type(items) => items.encode(out),)+ }
            }

            /// See [`Items::decode`]; `None` also when it is no collection.
            pub(crate) fn decode(kind: Kind, bytes: &[u8]) -> Option<Self> {
                match kind {
                    Kind::Str => None,
                    $(Kind::$Type => Some($module::$Type::decode(bytes)?.into()),)+
                }
            }

            /// See [`Items::dump`].
            pub(crate) fn dump(&self, out: &mut dump::Writer) {
                match self { $(Self::$Type(items) => items.dump(out),)+ }
            }

            /// See [`Items::restore`]; `None` also when no type has this `form`.
            pub(crate) fn restore(form: u8, payload: &mut dump::Reader<'_>) -> Option<Self> {
                $(if $module::$Type::FORMS.contains(&form) {
                    return Some($module::$Type::restore(form, payload)?.into());
                })+
                None
            }

            /// See [`Items::cut`].
            pub(crate) fn cut(
                &self,
                place_of: impl Fn(&[u8]) -> u64,
                bytes: usize,
            ) -> Vec<(u64, Self)> {
                match self { $(Self::$Type(items) => {
                    let pieces = items.cut(place_of, bytes).into_iter();
                    pieces.map(|(place, items)| (place, items.into())).collect()
                })+ }
            }

            /// Adds the items of a `part` of the same value.
            pub(crate) fn join(&mut self, part: &Self) {
                match self { $(Self::$Type(items) => {
                    if let Some(part) = $module::$Type::of(part) {
                        part.iter().for_each(|(name, rest)| _ = items.insert(name, rest));
                    }
                })+ }
            }
        }

        $(
            impl Typed for $module::$Type {
                const KIND: Kind = Kind::$Type;

                // The guards say nothing new: with them a list of one has no arm that
                // is never reached.
                fn of(collection: &Collection) -> Option<&Self> {
                    let kind = collection.kind();
                    match collection {
                        Collection::$Type(items) if kind == Self::KIND => Some(items),
                        _ => None,
                    }
                }

                fn of_mut(collection: &mut Collection) -> Option<&mut Self> {
                    let kind = collection.kind();
                    match collection {
                        Collection::$Type(items) if kind == Self::KIND => Some(items),
                        _ => None,
                    }
                }
            }

            impl From<$module::$Type> for Collection {
                fn from(items: $module::$Type) -> Self {
                    Self::$Type(Box::new(items))
                }
            }
        )+

        /// The commands of all types.
        pub(crate) const COMMANDS: &[Group] = &[$($module::$Type::COMMANDS),+];

        /// What is tested of each type.
        #[cfg(test)]
        const CHECKS: &[fn()] = &[$(
            tests::is_stored_as_it_is::<$module::$Type>,
            tests::is_cut_and_joined::<$module::$Type>,
            tests::is_not_made_of_garbage::<$module::$Type>,
        )+];
    };
}

// The numbers are in stores: one that was used never means another type.
types! {
    /// Fields and values.
    hash::Hash = 1,
}

/// How to tell a type among the [`Collection`]s. The list above says it.
pub(crate) trait Typed: Items + Into<Collection> {
    /// The type that is made of it.
    const KIND: Kind;

    /// The structure in `collection`, if that is what it holds.
    fn of(collection: &Collection) -> Option<&Self>;

    /// The same, to be changed.
    fn of_mut(collection: &mut Collection) -> Option<&mut Self>;
}

impl Collection {
    /// Whether it has more than `bytes` bytes and can be cut.
    pub(crate) fn is_to_be_cut(&self, bytes: usize) -> bool {
        self.bytes() > bytes && self.len() > 1
    }
}

impl Kind {
    /// The kind that a stored record's tag means.
    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|&kind| kind as u8 == tag & !IN_PARTS)
    }
}

#[cfg(test)]
mod tests;
