/* One service, its partition and its reader, small enough to try every order of events.
 *
 * Who is here: a writer that commits numbers, deletes rows and can be killed; a relay with one
 * request on the wire and one behind it; brokers that know a producer or do not, refuse, lose an
 * answer, forget a producer, take a late request of an earlier one, lose their unflushed tail or
 * the whole topic; a reader with journal and dead letter, and a disk that loses what was not
 * synced. Each process is a list of steps; a step happens at once, in any order with all others.
 *
 * What is claimed, in every state that can be reached:
 *   ONCE      no number is in the journal twice;
 *   ORDER     the journal is 1, 2, 3 ... (a dead letter stands for its number), but for LATE;
 *   CONTENT   one number has one content;
 *   COMPLETE  when all is sent and read, each number that was answered is in the journal or is
 *             a dead letter;
 *   and nothing waits for ever short of that (Spin's check of invalid end states).
 * LATE: brokers that lost their tail, and with it all that a producer wrote, do not know that
 * producer and take its next request, whatever it holds. The relay sees the offset step back and
 * sends the rows before it again; they come behind it.
 *
 * What is not here: two partitions (they share nothing but the consumer's files); time (what has
 * to be longer than what is said where it is used); bytes (one bit stands for a content);
 * requests of more than two rows.
 *
 * -D switches break one thing each; tests/model/check lists them. */
#ifndef N
#define N 3 /* events */
#endif
#ifndef KILLS
#define KILLS 1 /* of the service */
#endif
#ifndef READER_KILLS
#define READER_KILLS 1
#endif
#ifndef CUTS
#define CUTS 1 /* tails lost, or topics made anew */
#endif
#ifndef TROUBLES
#define TROUBLES 2 /* answers lost, rows refused, producers forgotten or given up */
#endif
#ifndef FAULTS
#define FAULTS 2 /* of all kinds together */
#endif
#ifndef LAG
#define LAG 1 /* how far a read of the partition's end may be behind */
#endif
#ifndef BAD
#define BAD 0 /* number whose value is not sound: a dead letter; 0: none */
#endif
#ifndef ROOM
#define ROOM 14
#endif
#define NOWHERE 255
#define FOREIGN 15 /* a producer that no broker knows */

/* The partition: number, run that wrote it, content. */
byte num[ROOM], wrote[ROOM];
bit con[ROOM];
byte size, flushed;
bit forgot; /* the brokers do not know the producer, whatever the log says */

/* The store. */
byte answered, last, first = 1;
byte stored, stored_at = NOWHERE; /* the last acknowledged number and its offset */
bit row[N + 2];                   /* content */
byte copy_last, copy_first, copy_stored, copy_at; /* a backup, for RESTORE */
bit copied, restored;

/* The relay; a kill clears all of it. */
mtype = { RESUME, RUN, STOPPED };
mtype relay = RESUME;
byte now, next, acked, acked_at = NOWHERE;
byte kept;              /* rows up to this one were kept long enough */
bit alone, begun;       /* nothing goes behind the first request; its report has come */
byte from[2], to[2];    /* requests: on the wire, and built behind it; 0: none */
bit elder;              /* this run began before a tail was lost */
mtype = { NONE, TAKEN, REFUSED };
mtype answer = NONE;
byte answer_at;
/* A request of an earlier producer, still somewhere in the network. */
byte late_from, late_to, late_run;
bit late_elder;

/* The reader. */
byte pos;
byte line[N + 2], line_at[N + 2], lines, synced; /* the journal */
byte dead;         /* BAD, once it is in the dead letter */
byte waiting_dead; /* BAD, while it is only in memory */
byte group;        /* the position that the coordinator was told */
bit twice;         /* a hole is read for the second time */
bit look;          /* the brokers were away since line and partition were compared */

byte kills, reader_kills, cuts, troubles;
#define MAY(kind, bound) (kind < bound && kills + reader_kills + cuts + troubles < FAULTS)
bit done;
bit loose; /* LATE has happened */

byte runs, e, k, x, below; /* of one step; but for runs 0 between two */
bit yes;

#ifdef WATERMARK
#define FOLLOWS true
#else
#ifdef FIRST_ANYWHERE
#define FOLLOWS (!begun || answer_at == acked_at + 1)
#else
/* The first of a run may have copies in front of it, but lies behind what was read. */
#define FOLLOWS (acked_at == NOWHERE || answer_at == acked_at + 1 || \
	(!begun && answer_at > acked_at))
#endif
#endif

inline write(n, r, c)
{
	assert(size < ROOM);
	k = 0;
	do
	:: k < size ->
		assert(num[k] != n || con[k] == c); /* CONTENT */
		k++
	:: else -> break
	od;
	k = 0;
	num[size] = n; wrote[size] = r; con[size] = c;
	size++
}

/* x: the number that the brokers expect from producer r; 0: they do not know it, and take any. */
inline expected(r)
{
	x = 0;
	k = size;
	do
	:: k > 0 && x == 0 && !(forgot && r == now) ->
		k--;
		if
		:: wrote[k] == r -> x = num[k] + 1
		:: else
		fi
	:: else -> break
	od;
	k = 0
}

inline clear_requests()
{
	from[0] = 0; to[0] = 0; from[1] = 0; to[1] = 0;
	answer = NONE; answer_at = 0
}

/* The producer ends. What was on the wire may still be written. */
inline end_run()
{
	if
	:: from[0] && answer == NONE && !late_from ->
		late_from = from[0]; late_to = to[0]; late_run = now; late_elder = elder
	:: true
	fi;
	clear_requests();
	relay = RESUME; next = 0; alone = 0; begun = 0; elder = 0; forgot = 0
}

/* ---- The store's writer. */
proctype writer()
{
	do
	:: done -> break
#ifdef ANSWER_FIRST /* the dual write: the caller is answered, then the commit follows */
	:: atomic { !done && answered < N && answered == last -> answered++ }
	:: atomic { !done && last < answered -> last++ }
#else
	:: atomic { !done && last < N -> last++; row[last] = restored;
		if
		:: answered < last -> answered = last
		:: else
		fi }
#endif
	:: atomic { !done && acked > stored -> stored = acked; stored_at = acked_at }
#ifdef KEPT_BY_TIME /* long enough by the clock, while the brokers were away */
	:: atomic { !done && acked > kept && acked_at != NOWHERE && (flushed > acked_at || look) ->
		kept = acked }
#else
	/* Long enough: the brokers have flushed, and the record was seen there afterwards. */
	:: atomic { !done && relay == RUN && acked > kept && acked_at < flushed &&
		num[acked_at] == acked -> kept = acked }
#endif
#ifdef DELETE_AT_ONCE
	:: atomic { !done && first < stored -> first++ }
#else
#ifdef COUNTER_IN_TABLE
	:: atomic { !done && first <= kept && first <= stored -> first++ }
#else
	:: atomic { !done && first <= kept && first < stored -> first++ }
#endif
#endif
#ifdef RESTORE
	:: atomic { !done && !copied && last > 0 ->
		copied = 1; copy_last = last; copy_first = first; copy_stored = stored; copy_at = stored_at }
#endif
	:: atomic { !done && MAY(kills, KILLS) ->
		kills++;
		end_run();
#ifdef RESTORE
		if
		:: copied && !restored && acked == last -> /* all was sent, nothing is under way */
			late_from = 0; late_to = 0; late_run = 0; late_elder = 0;
			restored = 1; last = copy_last; first = copy_first; stored = copy_stored; stored_at = copy_at
		:: else
		fi;
#endif
		acked = 0; acked_at = NOWHERE; kept = 0;
#ifdef COUNTER_IN_TABLE
		if
		:: first > last -> first = 1; last = 0; stored = 0; stored_at = NOWHERE; restored = 1
		:: else
		fi;
#endif
#ifdef ANSWER_FIRST
		if
		:: answered > last && answered < N -> answered++ /* that one is gone */
		:: else
		fi;
#endif
		acked = stored; acked_at = stored_at }
	od
}

/* ---- The relay. */
inline resume()
{
	now = runs + 1; runs = now;
	assert(now < FOREIGN);
	e = size;
	if
	:: LAG > 0 && e > 0 -> e--
	:: true
	fi;
#ifdef RESUME_BEHIND_LAST
	next = last + 1;
#else
#ifdef RESUME_BEHIND_ACKNOWLEDGED
	next = acked + 1;
#else
#ifdef RESUME_AT_THE_END /* behind the last number there is */
	if
	:: e > 0 -> next = num[e - 1] + 1
	:: else -> next = acked + 1
	fi;
#else
	/* From the record of the last acknowledged row forward. */
	if
	:: acked == 0 -> k = 0; yes = 1
	:: else -> k = acked_at; yes = (k < e && num[k] == acked); k++
	fi;
	if
	:: !yes -> /* the log was cut: what is kept is sent again */
		acked = first - 1; acked_at = NOWHERE; kept = 0
	:: else ->
		do
		:: k < e ->
#ifndef NO_COMPARE
			if
			:: num[k] > last || con[k] != row[num[k]] -> relay = STOPPED; break
			:: else
			fi;
#endif
			if
			:: num[k] == acked + 1 -> acked++; acked_at = k
			:: else
			fi;
			k++
		:: else -> break
		od
	fi;
	k = 0; yes = 0;
	next = acked + 1;
#endif
#endif
#endif
	e = 0;
#ifndef NOT_ALONE
	alone = 1;
#endif
	if
	:: relay == RESUME -> relay = RUN
	:: else
	fi
}

inline build(slot)
{
	from[slot] = next; to[slot] = next;
	if
	:: !alone && next < last -> to[slot] = next + 1
	:: true
	fi;
	next = to[slot] + 1
}

proctype relay_thread()
{
	do
	:: done -> break
	:: atomic { !done && relay == RESUME -> resume() }
	:: atomic { !done && relay == RUN && !from[0] && next <= last -> build(0) }
	:: atomic { !done && relay == RUN && from[0] && !from[1] && !alone && next <= last -> build(1) }
	:: atomic { !done && answer == TAKEN ->
		if
		:: FOLLOWS ->
			acked = to[0];
			acked_at = answer_at + (to[0] - from[0]);
			from[0] = from[1]; to[0] = to[1]; from[1] = 0; to[1] = 0;
			answer = NONE; answer_at = 0;
			alone = 0; begun = 1
		:: else -> end_run()
		fi }
	:: atomic { !done && answer == REFUSED -> end_run() }
	/* Before rows are forgotten, and when the brokers were away: is the last one still there? */
	:: atomic { !done && relay == RUN && !from[0] && acked > 0 && acked_at != NOWHERE &&
		(acked_at >= size || num[acked_at] != acked) -> end_run() }
	od
}

/* ---- The brokers and the network. */
inline take(slot)
{
	write(from[slot], now, row[from[slot]]);
	if
	:: to[slot] > from[slot] -> write(to[slot], now, row[to[slot]])
	:: else
	fi;
	forgot = 0
}

proctype brokers()
{
	do
	:: done -> break
	:: atomic { !done && from[0] && answer == NONE ->
		expected(now);
		if
		:: x == 0 || x == from[0] ->
			if
			:: x == 0 && elder -> loose = 1
			:: else
			fi;
			answer_at = size;
			take(0);
			if
			:: answer = TAKEN
			:: MAY(troubles, TROUBLES) -> troubles++; answer_at = 0 /* lost: sent again */
			fi
		:: x > to[0] -> /* again: the answer is the old one */
			k = size;
			do
			:: wrote[k - 1] == now && num[k - 1] == from[0] -> break
			:: else -> k--
			od;
			answer_at = k - 1; k = 0;
			answer = TAKEN
		:: else -> answer = REFUSED /* out of order */
		fi;
		x = 0 }
	/* A row that Kafka does not want. The request behind it is on its way by then. */
	:: atomic { !done && from[0] && answer == NONE && MAY(troubles, TROUBLES) && !late_from ->
		troubles++;
		late_from = from[1]; late_to = to[1]; late_run = (from[1] -> now : 0);
		late_elder = (from[1] && elder);
#ifdef WATERMARK
		expected(now);
		if
		:: late_from && x == 0 -> /* and is taken, and its report believed */
			acked_at = size + to[1] - from[1];
			acked = to[1];
			take(1);
			late_from = 0; late_to = 0; late_run = 0; late_elder = 0;
			from[0] = 0; to[0] = 0; from[1] = 0; to[1] = 0; begun = 1
		:: else -> answer = REFUSED
		fi;
		x = 0;
#else
		answer = REFUSED;
#endif
		}
#ifdef TWO_IN_FLIGHT /* the first finds no leader, the second does; the first counts as delivered */
	:: atomic { !done && from[1] && answer == NONE && MAY(troubles, TROUBLES) ->
		expected(now);
		if
		:: x == 0 ->
			troubles++;
			acked_at = size + to[1] - from[1];
			acked = to[1];
			take(1);
			from[0] = 0; to[0] = 0; from[1] = 0; to[1] = 0; begun = 1
		:: else
		fi;
		x = 0 }
#endif
#ifdef EXPIRY /* the first expires in the producer; the ones behind get a new epoch and go on */
	:: atomic { !done && from[1] && answer == NONE && MAY(troubles, TROUBLES) && !late_from ->
		troubles++;
		late_from = from[1]; late_to = to[1]; late_run = FOREIGN; late_elder = 0;
		answer = REFUSED }
#endif
	/* The producer gives up. */
	:: atomic { !done && relay == RUN && MAY(troubles, TROUBLES) -> troubles++; end_run() }
	/* After a day without a record the brokers forget it; the relay counts an hour. */
	:: atomic { !done && relay == RUN && !from[0] && begun && MAY(troubles, TROUBLES) ->
		troubles++;
		forgot = 1;
#ifndef NO_SILENCE
		alone = 1;
#endif
		}
	:: atomic { !done && late_from ->
		expected(late_run);
		if
		:: x == 0 || x == late_from ->
			if
			:: x == 0 && late_elder -> loose = 1
			:: else
			fi;
			write(late_from, late_run, row[late_from]);
			if
			:: late_to > late_from -> write(late_to, late_run, row[late_to])
			:: else
			fi
		:: else
		fi;
		x = 0; late_from = 0; late_to = 0; late_run = 0; late_elder = 0 }
	:: atomic { !done && flushed < size -> flushed = size }
	/* Both hosts lose power: what was not flushed is gone, and every connection. Or the topic is
	 * made anew; that is for a person who knows that it was read. */
	:: atomic { !done && size > 0 && MAY(cuts, CUTS) ->
		cuts++;
		yes = 1; k = 1;
		do
		:: k < first || k <= kept ->
			x = 0; e = 0;
			do
			:: e < synced -> x = (line[e] == k -> 1 : x); e++
			:: else -> break
			od;
			yes = (yes && (x || dead == k)); k++
		:: else -> break
		od;
		e = size;
		do
		:: e > flushed + 1 -> e--
		:: break
		od;
		if
		:: e > flushed -> e--
		:: yes -> e = 0
		:: else
		fi;
		if
		:: e < size ->
			do
			:: size > e -> size--; num[size] = 0; wrote[size] = 0; con[size] = 0
			:: else -> break
			od;
			elder = (relay == RUN);
			late_from = 0; late_to = 0; late_run = 0; late_elder = 0;
			look = 1
		:: else
		fi;
		flushed = (flushed < size -> flushed : size);
		e = 0; k = 0; x = 0; yes = 0 }
	od
}

/* ---- The reader. */

/* Is the last line's record where it was? Then reading goes on right behind it; if not,
 * everything is read again. */
inline compare()
{
	if
	:: lines > 0 && line_at[lines - 1] < size && num[line_at[lines - 1]] == line[lines - 1] ->
#ifdef KEEP_POSITION
		skip
#else
		pos = line_at[lines - 1] + 1
#endif
	:: else -> pos = 0
	fi;
	look = 0
}

/* yes: n is in a file; x: the highest number that is; below: how many lower ones are. */
inline recall(n)
{
	yes = (dead == n && dead || waiting_dead == n && waiting_dead);
	x = (dead > waiting_dead -> dead : waiting_dead);
	below = (x && x < n);
	k = 0;
	do
	:: k < lines ->
		yes = (yes || line[k] == n);
		x = (line[k] > x -> line[k] : x);
		below = below + (line[k] < n);
		k++
	:: else -> break
	od;
	k = 0
}

proctype reader()
{
	do
	:: done -> break
#ifdef NO_LOOK
	:: atomic { !done && pos < size ->
#else
	:: atomic { !done && look -> compare() }
	:: atomic { !done && pos < size && !look ->
#endif
		e = num[pos];
		recall(e);
#ifdef HIGHEST_ONLY
		yes = (e <= x);
#endif
		if
		:: yes -> pos++
		:: !yes && e > x + 1 && !twice ->
#ifdef NO_SECOND_READ
			twice = 1
#else
			/* A hole: once more from the last line, or from the start if that moved. */
			twice = 1;
			compare()
#endif
		:: else ->
			twice = 0;
			assert(below == e - 1 || loose); /* ORDER */
			if
			:: e == BAD ->
#ifdef DEAD_LETTER_LATER
				waiting_dead = e
#else
				dead = e
#endif
			:: else ->
				assert(lines <= N); /* ONCE: more than there are */
				line[lines] = e; line_at[lines] = pos; lines++
			fi;
			pos++
		fi;
		e = 0; x = 0; below = 0; yes = 0 }
	:: atomic { !done && waiting_dead -> dead = waiting_dead; waiting_dead = 0 }
	:: atomic { !done && pos > size -> pos = 0 } /* Kafka has no such offset */
	:: atomic { !done && synced < lines -> synced = lines;
#ifdef TRUST_GROUP
		group = pos;
#endif
		}
	:: atomic { !done && MAY(reader_kills, READER_KILLS) ->
		reader_kills++;
		waiting_dead = 0; twice = 0;
		do /* a killed process leaves all, a host without power what was synced */
#ifdef TRUST_GROUP
		:: lines > 0 -> /* a journal brought back from a backup has less */
#else
		:: lines > synced ->
#endif
			lines--; line[lines] = 0; line_at[lines] = 0
		:: break
		od;
		synced = lines;
		pos = (lines > 0 -> line_at[lines - 1] + 1 : 0);
#ifdef TRUST_GROUP
		pos = (group > pos -> group : pos);
#else
		compare();
#endif
		}
	od
}

#define ALL_SENT (relay == RUN && answered == N && acked == last && !from[0] && !late_from && \
		acked_at < size && num[acked_at] == acked)
#ifdef NO_LOOK
#define ALL_READ (pos == size && !waiting_dead)
#else
#define ALL_READ (pos == size && !look && !waiting_dead)
#endif

proctype judge()
{
	if
	:: atomic { ALL_SENT && ALL_READ ->
		e = 1;
		do
		:: e <= N ->
			recall(e);
			assert(yes); /* COMPLETE */
			e++
		:: else -> break
		od;
		do
		:: k < size ->
			assert(con[k] == row[num[k]]); /* CONTENT: what was answered is what was sent */
			k++
		:: else -> break
		od;
		k = 0;
		e = 0; x = 0; below = 0; yes = 0;
		done = 1 }
	:: atomic { relay == STOPPED -> done = 1 } /* a person has to decide */
	fi
}

init
{
	atomic {
		run writer(); run relay_thread(); run brokers(); run reader(); run judge()
	}
}
