//! Tapes before they are played: which streams they hold, on which scales, on which channels.
//!
//! Every file is read twice. The first pass learns what tapes do not tell: pairs, decimals, channels, which frame is of which pair
//! and whether the file is in time order. The second one plays it ([`TapeSet::entries`]) without holding it. What a frame means
//! is asked of the connector ([`Connector::recorded`]); nothing of any venue's formats is known here.
//!
//! Start at [`load`].

use crate::config::Loaded;
use crate::exit::Failure;
use crate::setup::aliases;
use crate::tape_args::{TapeArg, connector_of};
use domain::{Amount, InstrumentKind, InstrumentRules, LinkRole, PairId, Rate, Symbol, Tables, VenueId};
use journal::tape::{
    Recording, TapeEntries, TapeEntry, TapeError, TapeFormat, TapeHeader, TapeKind, in_order, merge, open_tape, recorder,
    recordings,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use venue::redundant::SECOND_SHARD;
use venue::{Aliases, Connector, LinkId, RawRules, SessionConfig, SessionOptions, VenueSession, build_tables_in_units};

/// Price and quantity decimals together.
const SCALE_DECIMALS: u8 = 18;
/// Quote per contract of Binance COIN-M: 100 USD for BTC, 10 USD for every other coin. Values of other venues' inverse contracts are
/// not known from a tape; prices, which are all that is judged on one, do not depend on it.
const INVERSE_CONTRACT: i128 = 10;
const INVERSE_CONTRACT_BTC: i128 = 100;

/// One venue of a set of tapes.
pub struct TapeVenue {
    /// Its id.
    pub id: String,
    /// Its connector.
    pub connector: &'static dyn Connector,
    /// Its pairs, in the order of the arguments.
    pub symbols: Vec<Symbol>,
    /// The book channel that its tapes hold.
    pub book_channel: String,
    /// What else they hold.
    pub options: SessionOptions,
    /// Assets that it names otherwise than we do.
    pub aliases: Aliases,
}

/// One stream: an instrument of a venue.
#[derive(Clone, Debug)]
pub struct TapeStream {
    /// Whose.
    pub venue: VenueId,
    /// Of what.
    pub pair: PairId,
    /// Its name.
    pub symbol: Symbol,
    /// Taker fee.
    pub fee: Rate,
    /// Its tapes hold the best-bid-offer channel.
    pub has_ticker: bool,
}

/// Tapes, ready to be played.
pub struct TapeSet {
    /// Venues, by [`VenueId`].
    pub venues: Vec<TapeVenue>,
    /// Streams, in the order of the arguments.
    pub streams: Vec<TapeStream>,
    /// Names and scales.
    pub tables: Arc<Tables>,
    /// What an engine needs to know of the instruments.
    pub rules: Vec<InstrumentRules>,
    files: Vec<TapeFile>,
}

/// One entry to be played.
#[derive(Debug)]
pub struct Played {
    /// Which file or recording it stands in.
    pub file: usize,
    /// Whose.
    pub venue: VenueId,
    /// On which link, for frames and, in our own recordings, for its openings and losses; else a private one.
    pub link: LinkId,
    /// Which stream it is of, where that can be told before it is decoded.
    pub pair: Option<PairId>,
    /// A frame of the best-bid-offer channel.
    pub is_top: bool,
    /// What was recorded.
    pub entry: TapeEntry,
}

/// Which pair of its file an entry is of: its index plus one, and in the lowest bit whether it is a best bid and offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark(u16);

impl Mark {
    const PAIRS_MAX: usize = 1 << 15;

    fn new(pair: usize, is_top: bool) -> Mark {
        Mark(u16::try_from((pair + 1) << 1).unwrap_or_default() | u16::from(is_top))
    }

    fn pair(self) -> Option<usize> {
        usize::from(self.0 >> 1).checked_sub(1)
    }

    fn is_top(self) -> bool {
        self.0 & 1 != 0
    }
}

/// A file, or all files of one of our own recordings.
struct TapeFile {
    venue: usize,
    connector: &'static dyn Connector,
    format: TapeFormat,
    /// One, but of a recording.
    paths: Vec<PathBuf>,
    /// Of our own recordings.
    header: Option<TapeHeader>,
    /// Pairs asked for; empty: all.
    wanted: Vec<Symbol>,
    /// Names and scales as recorded, of our own tapes; by our names, in the venue's units.
    recorded: Option<Tables>,
    /// Assets that its venue names or counts otherwise.
    aliases: Aliases,
    survey: Survey,
}

/// What the first pass finds.
#[derive(Debug, Default)]
struct Survey {
    pairs: Vec<PairSurvey>,
    marks: Vec<Mark>,
    is_disordered: bool,
    /// Unix nanoseconds of the first and of the last entry that was received.
    span: Option<(i64, i64)>,
    /// The file that ends inside a chunk.
    torn: Option<PathBuf>,
}

#[derive(Debug)]
struct PairSurvey {
    symbol: Symbol,
    price_decimals: u8,
    qty_decimals: u8,
    /// Entries that the connector knows.
    known: u64,
    tops: u64,
    trades: u64,
    /// Frames of a second connection are among them.
    doubled: bool,
    channels: BTreeMap<&'static str, u64>,
    /// Book channels of tops only: the book where there is no deeper one, tops beside it where there is.
    top_channels: BTreeMap<&'static str, u64>,
}

impl PairSurvey {
    fn new(symbol: Symbol) -> PairSurvey {
        PairSurvey {
            symbol,
            price_decimals: 0,
            qty_decimals: 0,
            known: 0,
            tops: 0,
            trades: 0,
            doubled: false,
            channels: BTreeMap::new(),
            top_channels: BTreeMap::new(),
        }
    }
}

/// How the scales of different pairs relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scales {
    /// Each pair has its own.
    Own,
    /// Pairs of one base share their price decimals, so that prices compare as counts.
    SharedPrices,
}

/// Reads the tapes for the first time. Assets that a venue names otherwise have our names where the configuration tells them.
///
/// # Errors
/// Exit code 2 for arguments that contradict each other or a tape that holds nothing of its pair, 1 for unreadable files.
pub fn load(args: &[TapeArg], scales: Scales, loaded: Option<&Loaded>) -> Result<TapeSet, Failure> {
    let (mut venues, mut files) = (Vec::new(), Vec::new());
    let mut origins = Vec::new();
    for arg in args {
        let venue = venue_of(&mut venues, arg, loaded)?;
        let mut own = Vec::new();
        for (paths, header) in paths_of(arg)? {
            let file = file_of(&mut files, venue, &venues[venue], arg, paths, header)?;
            if !own.contains(&file) {
                own.push(file);
            }
        }
        origins.push((venue, own));
    }
    for file in &mut files {
        in_order(&mut file.paths).map_err(|e| Failure::failed(chain(&e)))?;
    }
    survey_all(&mut files).map_err(|e| Failure::failed(chain(&e)))?;
    let wanted = streams_of(args, &origins, &files, &mut venues)?;
    for (index, venue) in venues.iter_mut().enumerate() {
        describe(index, venue, &files);
    }
    let (tables, rules) = tables_of(&venues, &files, scales)?;
    let streams = wanted.into_iter().filter_map(|(venue, symbol, fee)| {
        let book = venues[venue].book_channel.as_str();
        let beside = |s: &PairSurvey| s.top_channels.keys().any(|channel| *channel != book);
        let has_ticker = surveys(&files, venue, &symbol).any(|s| s.tops > 0 || beside(s));
        let fee = fee.unwrap_or_else(|| venues[venue].connector.base_taker_fee(&venues[venue].aliases.to_venue(&symbol)));
        let pair = tables.pair_id(&symbol)?;
        Some(TapeStream { venue: VenueId(venue as u8), pair, symbol, fee, has_ticker })
    });
    Ok(TapeSet { streams: streams.collect(), tables: Arc::new(tables), rules, venues, files })
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

fn venue_of(venues: &mut Vec<TapeVenue>, arg: &TapeArg, loaded: Option<&Loaded>) -> Result<usize, Failure> {
    let connector = connector_of(arg)?;
    if let Some(index) = venues.iter().position(|v| v.id == arg.id) {
        let kind = venues[index].connector.kind();
        if kind != arg.kind {
            return Err(Failure::usage(format!("--tape: venue `{}` is both {kind} and {}; give them two ids", arg.id, arg.kind)));
        }
        return Ok(index);
    }
    if venues.len() >= usize::from(u8::MAX) {
        return Err(Failure::usage("--tape: more than 255 venues"));
    }
    venues.push(TapeVenue {
        id: arg.id.clone(),
        connector,
        symbols: Vec::new(),
        book_channel: connector.book_channels().first().map_or_else(String::new, |c| (*c).to_string()),
        options: SessionOptions::default(),
        aliases: loaded.map(|loaded| aliases(&loaded.config, &arg.id)).unwrap_or_default(),
    });
    Ok(venues.len() - 1)
}

/// Files that are one source, and the header of their recording when they are ours.
type SourceFiles = (Vec<PathBuf>, Option<TapeHeader>);

/// The files of an argument, by recording; of a directory of our own tapes those of its venue.
fn paths_of(arg: &TapeArg) -> Result<Vec<SourceFiles>, Failure> {
    let failed = |error: TapeError| Failure::failed(chain(&error));
    // A missing one is told where it is opened.
    if std::fs::metadata(&arg.file).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        let what = "is no regular file, and a tape is read twice; write it to a file first";
        return Err(Failure::usage(format!("--tape: {} {what}", arg.file.display())));
    }
    if arg.format != TapeFormat::Crossgate {
        return Ok(vec![(vec![arg.file.clone()], None)]);
    }
    let mut paths = if arg.file.is_dir() { recorder::tape_files(&arg.file).map_err(failed)? } else { vec![arg.file.clone()] };
    if arg.file.is_dir() {
        // What a power loss leaves of a recording that had just begun.
        let is_empty = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
        for empty in paths.extract_if(.., |path| is_empty(path)) {
            crate::say::line(format_args!("crossgate: {} is empty and left out", empty.display()));
        }
    }
    let found = recordings(paths).map_err(failed)?;
    let mut found: Vec<_> = found.into_iter().map(|(header, paths)| (paths, Some(header))).collect();
    let mut names: Vec<String> = found.iter().flat_map(|(_, h)| h).map(|h| h.venue.clone()).collect();
    names.sort();
    names.dedup();
    if names.len() > 1 {
        if !names.contains(&arg.id) {
            let names = names.join(", ");
            return Err(Failure::usage(format!("--tape: {} holds {names}; name one as the venue's id", arg.file.display())));
        }
        found.retain(|(_, header)| header.as_ref().is_some_and(|h| h.venue == arg.id));
    }
    if found.is_empty() {
        return Err(Failure::failed(format!("{} holds no tape", arg.file.display())));
    }
    if let Some((paths, Some(header))) = found.iter().find(|(_, h)| h.as_ref().is_some_and(|h| h.kind != arg.kind)) {
        let path = paths.first().unwrap_or(&arg.file).display();
        return Err(Failure::usage(format!("--tape: {path} was recorded from {}, not {}", header.kind, arg.kind)));
    }
    Ok(found)
}

fn file_of(
    files: &mut Vec<TapeFile>,
    venue: usize,
    of: &TapeVenue,
    arg: &TapeArg,
    paths: Vec<PathBuf>,
    header: Option<TapeHeader>,
) -> Result<usize, Failure> {
    let known = |file: &TapeFile| match (&file.header, &header) {
        (Some(known), Some(header)) => known.is_of_one_recording(header),
        _ => file.paths == paths,
    };
    let index = match files.iter().position(|f| (f.venue, f.format) == (venue, arg.format) && known(f)) {
        Some(index) => {
            let file = &mut files[index];
            let more: Vec<PathBuf> = paths.into_iter().filter(|path| !file.paths.contains(path)).collect();
            file.paths.extend(more);
            match &arg.pair {
                // Once all pairs of a file are asked for, one of them is no selection any more.
                Some(pair) if !file.wanted.is_empty() && !file.wanted.contains(pair) => file.wanted.push(pair.clone()),
                None => file.wanted.clear(),
                Some(_) => {}
            }
            index
        }
        None => {
            let (connector, aliases) = (of.connector, of.aliases.clone());
            let wanted = arg.pair.iter().cloned().collect();
            let mut recorded = header.as_ref().and_then(|h| h.tables.clone());
            if let Some(tables) = &mut recorded {
                tables.pairs.retain_mut(|pair| match aliases.to_ours(&pair.symbol) {
                    Some(ours) => {
                        pair.symbol = ours;
                        true
                    }
                    None => false,
                });
            }
            let (format, survey) = (arg.format, Survey::default());
            files.push(TapeFile { venue, connector, format, paths, header, wanted, recorded, aliases, survey });
            files.len() - 1
        }
    };
    let file = &files[index];
    if file.format == TapeFormat::Hftbacktest && file.wanted.len() > 1 {
        let path = file.paths.first().unwrap_or(&arg.file).display();
        return Err(Failure::usage(format!("--tape: {path} is of one pair, as every hftbacktest file")));
    }
    Ok(index)
}

// ------------------------------------------------------------------------------------------------------------ the first pass

/// Surveys every file, as many at once as there are processors.
fn survey_all(files: &mut [TapeFile]) -> Result<(), TapeError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let next = AtomicUsize::new(0);
    let shared: &[TapeFile] = files;
    let work = || {
        let mut done = Vec::new();
        while let Some((index, file)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, shared.get(i)?))) {
            done.push((index, survey(file)));
        }
        done
    };
    let mut done: Vec<(usize, Result<Survey, TapeError>)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    for (index, survey) in done {
        files[index].survey = survey?;
    }
    Ok(())
}

fn survey(file: &TapeFile) -> Result<Survey, TapeError> {
    let listed = file.recorded.iter().flat_map(|tables| &tables.pairs).map(|pair| pair.symbol.clone());
    let asked: Vec<Symbol> = if file.wanted.is_empty() { listed.collect() } else { file.wanted.clone() };
    let mut survey = Survey { pairs: asked.iter().cloned().map(PairSurvey::new).collect(), ..Survey::default() };
    let asked: Vec<Symbol> = asked.iter().map(|symbol| file.aliases.to_venue(symbol)).collect();
    if file.format == TapeFormat::Crossgate {
        let mut recording = Recording::new(file.paths.clone());
        for entry in &mut recording {
            survey.take(file, &asked, &entry?);
        }
        survey.torn = recording.torn().map(Into::into);
    } else {
        for entry in file.open()? {
            survey.take(file, &asked, &entry?);
        }
    }
    Ok(survey)
}

impl Survey {
    fn take(&mut self, file: &TapeFile, asked: &[Symbol], entry: &TapeEntry) {
        // What was sent is not played.
        if entry.kind != TapeKind::Sent {
            let at = entry.received_unix_ns;
            let (first, last) = self.span.unwrap_or((at, at));
            self.is_disordered |= at < last;
            self.span = Some((first, at));
        }
        let mark = self.look_at(file, asked, entry);
        self.marks.push(mark);
    }

    /// `asked` by the venue's names.
    fn look_at(&mut self, file: &TapeFile, asked: &[Symbol], entry: &TapeEntry) -> Mark {
        let mut doubled = false;
        let path = match &entry.kind {
            TapeKind::Connected { .. } | TapeKind::Disconnected { .. } | TapeKind::Sent => return Mark::default(),
            TapeKind::Ws { url } => {
                let Some(link) = public_link(file, url.as_deref()) else { return Mark::default() };
                doubled = link.shard & SECOND_SHARD != 0;
                None
            }
            // Where the request is not recorded, the answer stands among the frames.
            TapeKind::Rest { path_and_query } => Some(path_and_query.as_str()).filter(|path| !path.is_empty()),
        };
        let Some(found) = file.connector.recorded(asked, path, &entry.bytes) else {
            // A file of one pair: whatever stands in it is of that pair, also what the connector has no use for.
            let of_one = file.format == TapeFormat::Hftbacktest && !self.pairs.is_empty();
            return if of_one { Mark::new(0, false) } else { Mark::default() };
        };
        // A pair of the venue whose name is ours for something else is none of ours.
        let Some(symbol) = file.aliases.to_ours(&found.symbol) else { return Mark::default() };
        let index = match self.pairs.iter().position(|p| p.symbol == symbol) {
            Some(index) => index,
            None if self.pairs.len() < Mark::PAIRS_MAX - 1 => {
                self.pairs.push(PairSurvey::new(symbol));
                self.pairs.len() - 1
            }
            None => return Mark::default(),
        };
        let pair = &mut self.pairs[index];
        pair.known += 1;
        pair.doubled |= doubled;
        pair.price_decimals = pair.price_decimals.max(found.price_decimals);
        pair.qty_decimals = pair.qty_decimals.max(found.qty_decimals);
        match found.book_channel {
            Some(channel) if found.book_ticker => *pair.top_channels.entry(channel).or_default() += 1,
            Some(channel) => *pair.channels.entry(channel).or_default() += 1,
            None => {
                pair.tops += u64::from(found.book_ticker);
                let is_frame = matches!(entry.kind, TapeKind::Ws { .. });
                pair.trades += u64::from(is_frame && !found.book_ticker);
            }
        }
        Mark::new(index, found.book_ticker)
    }
}

/// The public link that an entry is of; `None` for those of other links.
fn public_link(file: &TapeFile, url: Option<&str>) -> Option<LinkId> {
    if file.format == TapeFormat::Crossgate {
        let (role, shard) = url?.split_once('/')?;
        let shard = shard.parse().ok().filter(|_| role == LinkRole::Public.as_str())?;
        return Some(LinkId { role: LinkRole::Public, shard });
    }
    // One session is one host, so every pair of the file says the same.
    file.wanted.first().map(|symbol| file.connector.public_link(&file.aliases.to_venue(symbol)))
}

fn surveys<'a>(files: &'a [TapeFile], venue: usize, symbol: &'a Symbol) -> impl Iterator<Item = &'a PairSurvey> {
    files.iter().filter(move |f| f.venue == venue).flat_map(|f| &f.survey.pairs).filter(move |p| p.symbol == *symbol)
}

// ------------------------------------------------------------------------------------------------------------ what they hold

/// Venue, pair and fee of every stream, in the order of the arguments; the venues learn their pairs.
fn streams_of(
    args: &[TapeArg],
    origins: &[(usize, Vec<usize>)],
    files: &[TapeFile],
    venues: &mut [TapeVenue],
) -> Result<Vec<(usize, Symbol, Option<Rate>)>, Failure> {
    let mut streams: Vec<(usize, Symbol, Option<Rate>)> = Vec::new();
    for (arg, (venue, own)) in args.iter().zip(origins) {
        let found = own.iter().filter_map(|f| files.get(*f)).flat_map(|f| &f.survey.pairs);
        let symbols: Vec<Symbol> = match &arg.pair {
            Some(pair) => vec![pair.clone()],
            None => found.filter(|p| p.known > 0).map(|p| p.symbol.clone()).collect(),
        };
        if symbols.is_empty() {
            return Err(Failure::failed(format!("the tape of `{}` holds no book of any pair", arg.id)));
        }
        for symbol in symbols {
            if !surveys(files, *venue, &symbol).any(|s| s.known > 0) {
                return Err(Failure::usage(format!(
                    "--tape: {} holds nothing of {symbol} that the connector `{}` can read; check pair= and venue=",
                    arg.file.display(),
                    arg.kind
                )));
            }
            match streams.iter_mut().find(|(v, s, _)| *v == *venue && *s == symbol) {
                Some((.., Some(fee))) if arg.fee.is_some_and(|other| other != *fee) => {
                    return Err(Failure::usage(format!("--tape: fee_bps of `{}` {symbol} is given twice and differs", arg.id)));
                }
                Some((.., fee)) => *fee = fee.or(arg.fee),
                None => {
                    venues[*venue].symbols.push(symbol.clone());
                    streams.push((*venue, symbol, arg.fee));
                }
            }
        }
    }
    Ok(streams)
}

/// Book channel and options of a venue, by what its tapes hold: the channel with the most frames, at equality the venue's first.
fn describe(index: usize, venue: &mut TapeVenue, files: &[TapeFile]) {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut top_counts = counts.clone();
    for survey in venue.symbols.iter().flat_map(|symbol| surveys(files, index, symbol)) {
        venue.options.book_ticker |= survey.tops > 0;
        venue.options.trades |= survey.trades > 0;
        venue.options.redundant |= survey.doubled;
        for (channel, count) in &survey.channels {
            *counts.entry(channel).or_default() += count;
        }
        for (channel, count) in &survey.top_channels {
            *top_counts.entry(channel).or_default() += count;
        }
    }
    if counts.is_empty() {
        counts = top_counts;
    } else {
        venue.options.book_ticker |= !top_counts.is_empty();
    }
    let known = venue.connector.book_channels();
    let rank = |channel: &str| known.iter().position(|c| *c == channel).unwrap_or(known.len());
    if let Some((channel, _)) = counts.iter().max_by_key(|(channel, count)| (**count, std::cmp::Reverse(rank(channel)))) {
        venue.book_channel = (*channel).to_string();
    }
}

/// The finest price and quantity of each pair, as recorded or as seen. Quantities give way when both do not fit together.
fn tables_of(venues: &[TapeVenue], files: &[TapeFile], scales: Scales) -> Result<(Tables, Vec<InstrumentRules>), Failure> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for symbol in venues.iter().flat_map(|v| &v.symbols) {
        if !symbols.contains(symbol) {
            symbols.push(symbol.clone());
        }
    }
    let mut scale: BTreeMap<&Symbol, (u8, u8)> = symbols.iter().map(|s| (s, (0, 0))).collect();
    let mut finer = |symbol: &Symbol, price: u8, qty: u8| {
        if let Some(digits) = scale.get_mut(symbol) {
            *digits = (digits.0.max(price), digits.1.max(qty));
        }
    };
    for file in files {
        // What was recorded is in the venue's unit.
        let mut finer = |symbol: &Symbol, price: u8, qty: u8| {
            let tens = file.aliases.tens(&symbol.base);
            finer(symbol, price.saturating_add(tens), qty.saturating_sub(tens));
        };
        for pair in &file.survey.pairs {
            finer(&pair.symbol, pair.price_decimals, pair.qty_decimals);
        }
        for pair in file.recorded.iter().flat_map(|tables| &tables.pairs) {
            finer(&pair.symbol, pair.scale.price_decimals(), pair.scale.qty_decimals());
        }
    }
    if scales == Scales::SharedPrices {
        let mut finest: BTreeMap<&str, u8> = BTreeMap::new();
        for (symbol, (price, _)) in &scale {
            let most = finest.entry(symbol.base.as_str()).or_default();
            *most = (*most).max(*price);
        }
        for (symbol, (price, _)) in &mut scale {
            *price = finest.get(symbol.base.as_str()).copied().unwrap_or(*price);
        }
    }
    let rules = |venue: &TapeVenue, symbol: &Symbol| {
        let (price, qty) = scale.get(symbol).copied().unwrap_or_default();
        let price = price.min(SCALE_DECIMALS);
        let tens = venue.aliases.tens(&symbol.base);
        RawRules {
            symbol: symbol.clone(),
            price_decimals: price.saturating_sub(tens),
            qty_decimals: qty.min(SCALE_DECIMALS - price).saturating_add(tens),
            execution_decimals: 0,
            execution_price_decimals: 0,
            kind: recorded_kind(files, symbol).unwrap_or_else(|| kind_of(symbol)),
            qty_min: None,
            qty_max: None,
            value_min: None,
            can_buy: true,
            can_sell: true,
        }
    };
    let of = |venue: &TapeVenue| venue.symbols.iter().map(|symbol| rules(venue, symbol)).collect::<Vec<_>>();
    let listed: Vec<_> = venues.iter().map(|venue| (venue.id.clone(), of(venue))).collect();
    let aliases: Vec<Aliases> = venues.iter().map(|venue| venue.aliases.clone()).collect();
    let mut fee_assets: Vec<&str> = venues.iter().flat_map(|v| v.connector.fee_assets().iter().copied()).collect();
    fee_assets.sort_unstable();
    fee_assets.dedup();
    build_tables_in_units(&symbols, &listed, &aliases, &fee_assets).map_err(Failure::failed)
}

fn recorded_kind(files: &[TapeFile], symbol: &Symbol) -> Option<InstrumentKind> {
    let pairs = || files.iter().flat_map(|f| &f.recorded).flat_map(|tables| &tables.pairs);
    pairs().find(|pair| pair.symbol == *symbol).map(|pair| pair.kind.clone())
}

/// The kind of an instrument by its symbol alone.
fn kind_of(symbol: &Symbol) -> InstrumentKind {
    let Some(settle) = symbol.settle.clone() else { return InstrumentKind::Spot };
    let whole = |count: i128| Amount::from_units(count * domain::number::AMOUNT_ONE);
    let inverse = settle == symbol.base;
    let multiplier = match (inverse, symbol.base.as_str()) {
        (false, _) => whole(1),
        (true, "BTC") => whole(INVERSE_CONTRACT_BTC),
        (true, _) => whole(INVERSE_CONTRACT),
    };
    match symbol.expiry {
        Some(expiry) => InstrumentKind::DatedFuture { multiplier, settle, expiry },
        None if inverse => InstrumentKind::InversePerpetual { multiplier, settle },
        None => InstrumentKind::LinearPerpetual { multiplier, settle },
    }
}

// ----------------------------------------------------------------------------------------------------------- the second pass

type Timed = Box<dyn Iterator<Item = Result<(TapeEntry, Mark), TapeError>>>;

impl TapeSet {
    /// Every entry of every tape but what was sent, in time order, read as it is asked for. At equal times earlier arguments go first, and
    /// a file's own order holds. A file of others that is not in time order is read whole and sorted; our own recordings always are in it.
    ///
    /// # Errors
    /// Exit code 1 for files that can't be read any more.
    pub fn entries(&self) -> Result<impl Iterator<Item = Result<Played, Failure>> + '_, Failure> {
        let failed = |error: TapeError| Failure::failed(chain(&error));
        let mut sources = Vec::new();
        for file in &self.files {
            sources.push(file.timed().map_err(failed)?);
        }
        let merged = merge(sources, |(entry, _): &(TapeEntry, Mark)| entry.received_unix_ns);
        Ok(merged.map(move |next| next.map(|(index, (entry, mark))| self.played(index, entry, mark)).map_err(failed)))
    }

    fn played(&self, index: usize, entry: TapeEntry, mark: Mark) -> Played {
        let file = &self.files[index];
        let link = match &entry.kind {
            TapeKind::Ws { url } => public_link(file, url.as_deref()),
            // Of other people's sessions it is not known which link that is.
            TapeKind::Connected { url } | TapeKind::Disconnected { url, .. } if file.format == TapeFormat::Crossgate => {
                public_link(file, Some(url))
            }
            _ => None,
        };
        // Frames of private links lead nowhere; the player leaves them out by their role.
        let elsewhere = LinkId { role: LinkRole::Private, shard: 0 };
        let symbol = mark.pair().and_then(|pair| file.survey.pairs.get(pair)).map(|pair| &pair.symbol);
        Played {
            file: index,
            venue: VenueId(file.venue as u8),
            link: link.unwrap_or(elsewhere),
            pair: symbol.and_then(|symbol| self.tables.pair_id(symbol)),
            is_top: mark.is_top(),
            entry,
        }
    }

    /// Our own recordings that another one of their venue follows, and when their last entry was received; the first to end last.
    pub fn followed(&self) -> Vec<(i64, usize)> {
        let own = || self.files.iter().enumerate().filter(|(_, f)| f.format == TapeFormat::Crossgate);
        let mut found: Vec<(i64, usize)> = own()
            .filter_map(|(index, file)| {
                let (_, last) = file.survey.span?;
                let follows = |f: &TapeFile| f.venue == file.venue && f.survey.span.is_some_and(|(first, _)| first > last);
                own().any(|(_, f)| follows(f)).then_some((last, index))
            })
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found
    }

    /// Says on standard error which tapes end inside a chunk; returns the same for the result.
    pub fn tell_torn(&self) -> Option<String> {
        let torn: Vec<String> = self.files.iter().filter_map(|f| Some(f.survey.torn.as_ref()?.display().to_string())).collect();
        if torn.is_empty() {
            return None;
        }
        let note = format!("torn inside a chunk, what came after is not there: {}", torn.join(", "));
        crate::say::line(format_args!("crossgate: {note}"));
        Some(note)
    }

    /// A session for each venue, without keys.
    ///
    /// # Errors
    /// Exit code 2 when a connector does not know the channel.
    pub fn sessions(&self) -> Result<Vec<Box<dyn VenueSession>>, Failure> {
        let session = |(index, venue): (usize, &TapeVenue)| {
            let config = SessionConfig {
                venue: VenueId(index as u8),
                tables: Arc::new(venue.aliases.tables(&self.tables).map_err(Failure::failed)?),
                pairs: venue.symbols.iter().filter_map(|symbol| self.tables.pair_id(symbol)).collect(),
                key: None,
                secret: None,
                book_channel: venue.book_channel.clone(),
                options: venue.options,
                seed: 0,
            };
            venue::redundant::session(venue.connector, config)
                .map_err(|e| Failure::usage(format!("--tape: venue `{}`: {e}", venue.id)))
        };
        self.venues.iter().enumerate().map(session).collect()
    }

    /// The pair of a request for a book snapshot; `None` for other requests.
    pub fn asked_pair(&self, venue: VenueId, path_and_query: &str) -> Option<PairId> {
        let venue = self.venues.get(venue.index())?;
        let theirs: Vec<Symbol> = venue.symbols.iter().map(|symbol| venue.aliases.to_venue(symbol)).collect();
        let asked = venue.connector.book_request_symbol(&theirs, path_and_query)?;
        self.tables.pair_id(&venue.aliases.to_ours(&asked)?)
    }
}

impl TapeFile {
    fn open(&self) -> Result<TapeEntries, TapeError> {
        match (self.format, &self.paths[..]) {
            (TapeFormat::Crossgate, _) => Ok(Box::new(Recording::new(self.paths.clone()))),
            (format, [path, ..]) => open_tape(format, path),
            (_, []) => Ok(Box::new(std::iter::empty())),
        }
    }

    fn timed(&self) -> Result<Timed, TapeError> {
        let marks = self.survey.marks.clone().into_iter().chain(std::iter::repeat(Mark::default()));
        let timed = self.open()?.zip(marks).map(|(entry, mark)| entry.map(|entry| (entry, mark)));
        let timed = timed.filter(|next| !matches!(next, Ok((TapeEntry { kind: TapeKind::Sent, .. }, _))));
        if !self.survey.is_disordered {
            return Ok(Box::new(timed));
        }
        let mut all: Vec<(TapeEntry, Mark)> = timed.collect::<Result<_, _>>()?;
        all.sort_by_key(|(entry, _)| entry.received_unix_ns);
        Ok(Box::new(all.into_iter().map(Ok)))
    }
}
