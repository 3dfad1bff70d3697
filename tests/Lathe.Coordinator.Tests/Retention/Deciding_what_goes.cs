using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>The pure decision, on any records.</summary>
public sealed class Deciding_what_goes
{
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Nothing_that_is_needed_ever_goes_and_the_budget_is_met_when_it_can_be()
    {
        var (gone, overBudget, met) = (0, 0, 0);
        for (var seed = 0; seed < 1500; seed++)
        {
            var (records, rule) = Any(new Random(seed));
            var decisions = RetentionPlan.Of(records, rule, Now);

            Assert.Equal(records.Blobs, decisions.Select(d => d.Blob));
            var free = decisions.Where(d => IsFree(records, rule, d.Blob)).ToHashSet();
            Assert.All(decisions.Where(d => d.Goes), d => Assert.True(free.Contains(d), $"seed {seed}: {d} goes"));
            gone += decisions.Count(d => d.Goes);
            if (rule.Budget is not { } budget) continue;
            var checkpoints = decisions.Where(d => free.Contains(d) && RetentionPlan.DigestOf(d.Blob.Name) is { } digest && records.Checkpoints.Any(u => u.Sha256 == digest)).ToList();
            var left = decisions.Where(d => !d.Goes).Sum(d => d.Blob.Bytes);
            Assert.True(left <= budget || checkpoints.TrueForAll(d => d.Goes), $"seed {seed}: {left} bytes stay of {budget}");
            // What others are made of goes before what a sweep was run for.
            if (checkpoints.Exists(d => d.Goes && d.Why == "over the budget" && IsLeaf(records, d)))
                Assert.All(checkpoints.Where(d => !d.Goes), d => Assert.True(IsLeaf(records, d), $"seed {seed}: {d} stays"));
            overBudget += checkpoints.Count(d => d is { Goes: true, Why: "over the budget" });
            if (left <= budget) met++;
        }

        // The draws reach everything.
        Assert.True(gone > 1000 && overBudget > 200 && met > 300, $"{gone} gone, {overBudget} over a budget, {met} budgets met");
    }

    [Fact]
    public void Old_sweeps_pay_for_the_budget_first()
    {
        var (old, young) = (Guid.NewGuid(), Guid.NewGuid());
        var records = new StoreRecords(
            [Checkpoint('a', 100), Checkpoint('b', 100), Checkpoint('c', 100)],
            [new(young, Now.AddDays(-2), Now.AddDays(-2), false, false), new(old, Now.AddDays(-9), Now.AddDays(-9), false, false)],
            [Use('a', young), Use('b', old), Use('c', old), Use('c', young)],
            new HashSet<string>(), new Dictionary<string, StateUse>());
        Assert.Equal([false, true, false], RetentionPlan.Of(records, new RetentionRule(Budget: 250), Now).Select(d => d.Goes));
        Assert.Equal([true, true, false], RetentionPlan.Of(records, new RetentionRule(Budget: 150), Now).Select(d => d.Goes));
        // A checkpoint that a kept sweep uses stays with it.
        Assert.Equal([false, true, false], RetentionPlan.Of(records, new RetentionRule(KeepDays: 5), Now).Select(d => d.Goes));
        Assert.Equal([false, true, false], RetentionPlan.Of(records, new RetentionRule(KeepLast: 1), Now).Select(d => d.Goes));
        Assert.Equal([false, false, false], RetentionPlan.Of(records, new RetentionRule(KeepDays: 10, KeepLast: 0), Now).Select(d => d.Goes));
        Assert.Equal([false, false, false], RetentionPlan.Of(records, new RetentionRule(), Now).Select(d => d.Goes));
    }

    [Fact]
    public void A_sweep_that_says_how_much_is_kept_of_it_is_under_its_own_rule_and_no_other_sweep_is()
    {
        var (own, other) = (Guid.NewGuid(), Guid.NewGuid());
        var records = new StoreRecords(
            [Checkpoint('a', 100), Checkpoint('b', 100), Checkpoint('c', 100), Checkpoint('d', 100), Checkpoint('e', 100)],
            [new(own, Now.AddDays(-5), Now.AddDays(-5), false, false), new(other, Now.AddDays(-5), Now.AddDays(-5), false, false)],
            [Use('a', own) with { IsLeaf = true }, Use('b', own), Use('c', own), Use('c', other), Use('d', other), Use('e', own) with { IsOnFront = true }],
            new HashSet<string>(), new Dictionary<string, StateUse>());

        // Without a rule for the store, and against one that would keep everything or nothing. What two sweeps use is under both rules.
        foreach (var rule in (RetentionRule[])[RetentionRule.OfSweeps, new RetentionRule(), new RetentionRule(KeepDays: 30), new RetentionRule(KeepLast: 5)])
        {
            Assert.Equal([true, true, false, false, false], Goes(rule, s => s with { KeepDays = 4 }));
            Assert.Equal([false, false, false, false, false], Goes(rule, s => s with { KeepDays = 6 }));
            // What lies between goes before what the sweep was run for. What is on a front counts, and stays.
            Assert.Equal([false, true, false, false, false], Goes(rule, s => s with { Budget = 200 }));
            Assert.Equal([true, true, false, false, false], Goes(rule, s => s with { Budget = 0 }));
            Assert.Equal([false, false, false, false, false], Goes(rule, s => s with { Budget = 300 }));
            Assert.Equal([false, false, false, false, false], Goes(rule, s => s with { Budget = 0, IsPinned = true }));
        }

        Assert.Equal([false, false, false, true, false], Goes(new RetentionRule(KeepDays: 1), s => s with { KeepDays = 6 }));
        Assert.Equal([true, true, true, true, false], Goes(new RetentionRule(KeepDays: 1), s => s with { KeepDays = 4 }));

        IEnumerable<bool> Goes(RetentionRule rule, Func<KeptSweep, KeptSweep> change) =>
            RetentionPlan.Of(records with { Sweeps = [change(records.Sweeps[0]), records.Sweeps[1]] }, rule, Now).Select(d => d.Goes);
    }

    [Fact]
    public void Logs_go_with_their_sweeps_and_exports_with_their_checkpoints()
    {
        var (kept, old) = (Guid.NewGuid(), Guid.NewGuid());
        var records = new StoreRecords(
            [Log('a'), Log('b'), Log('c'), Log('d'), Checkpoint('e', 1), Export('e'), Export('f'), Export('f') with { WrittenAt = Now.AddMinutes(-5) }],
            [new(kept, Now.AddDays(-2), Now.AddDays(-2), false, false), new(old, Now.AddDays(-9), Now.AddDays(-9), false, false)],
            [Use('e', kept)],
            new HashSet<string>(),
            new Dictionary<string, StateUse>
            {
                [new('a', 64)] = new(true, new HashSet<Guid> { kept, old }, false), [new('b', 64)] = new(true, new HashSet<Guid> { old }, false), [new('c', 64)] = new(false, new HashSet<Guid> { old }, true),
            });

        Assert.Equal([false, true, false, false, false, false, true, false], RetentionPlan.Of(records, new RetentionRule(KeepDays: 5), Now).Select(d => d.Goes));
        Assert.Equal([false, false, false, true, false, false, true, false], RetentionPlan.Of(records, new RetentionRule(Orphans: true), Now).Select(d => d.Goes));

        static StoredBlob Log(char digit) => new($"logs/{new string(digit, 64)}.jsonl", 1, Now.AddDays(-1));
        static StoredBlob Export(char digit) => new($"exports/{new string(digit, 64)}/c/net.c", 1, Now.AddDays(-1));
    }

    [Theory]
    [InlineData("days=30", 30, null, null, false)]
    [InlineData("days=30, budget=500GiB", 30, null, 500L << 30, false)]
    [InlineData("last=5,orphans", null, 5, null, true)]
    public void A_rule_is_read(string text, int? days, int? last, long? budget, bool orphans) =>
        Assert.Equal(new RetentionRule(days, last, budget, orphans), RetentionRule.Load(_ => text));

    [Theory]
    [InlineData("30")]
    [InlineData("days=-1")]
    [InlineData("days=1,days=2")]
    [InlineData("budget=much")]
    [InlineData("days=30,")]
    public void A_rule_that_cannot_be_read_is_refused(string text) =>
        Assert.Contains("LATHE_RETENTION", Assert.Throws<LatheException>(() => RetentionRule.Load(_ => text)).Message);

    /// <summary>Written down once more: what may go.</summary>
    private static bool IsFree(StoreRecords records, RetentionRule rule, StoredBlob blob)
    {
        var age = Now - blob.WrittenAt;
        if (blob.Name.EndsWith(".writing", StringComparison.Ordinal)) return age > TimeSpan.FromDays(1);
        if (age < TimeSpan.FromHours(1) || blob.Name.StartsWith("results/", StringComparison.Ordinal) || blob.Name.StartsWith("shared/", StringComparison.Ordinal)) return false;
        if (blob.Name.StartsWith("states/", StringComparison.Ordinal))
        {
            var key = Path.GetFileName(blob.Name)[..64];
            var known = records.States.GetValueOrDefault(key);
            var hasResult = known is { IsOver: true } || records.Blobs.Any(b => b.Name == $"results/{key}.json");
            return known is null ? hasResult || rule.Orphans : !known.IsActive && (hasResult || rule.KeepDays is not null || rule.KeepLast is not null);
        }

        if (RetentionPlan.DigestOf(blob.Name) is not { } digest) return rule.Orphans;
        var uses = records.Checkpoints.Where(u => u.Sha256 == digest).ToList();
        return !records.TakenIn.Contains(digest) && !uses.Exists(u => u.IsNeeded || u.IsOnFront || records.Sweeps.Any(s => s.Id == u.Sweep && s.IsPinned))
            && (uses.Count > 0 ? rule.Budget is not null || rule.KeepDays is not null || rule.KeepLast is not null : rule.Orphans);
    }

    private static bool IsLeaf(StoreRecords records, Decision decision) => records.Checkpoints.Any(u => u.Sha256 == RetentionPlan.DigestOf(decision.Blob.Name) && u.IsLeaf);

    private static (StoreRecords Records, RetentionRule Rule) Any(Random random)
    {
        bool Is(double share) => random.NextDouble() < share;
        DateTimeOffset Age() => Now - TimeSpan.FromHours(Is(0.2) ? random.NextDouble() * 2 : random.NextDouble() * 24 * 60);
        var sweeps = Enumerable.Range(0, random.Next(1, 5)).Select(_ =>
        {
            var bytes = new byte[16];
            random.NextBytes(bytes);
            var (submitted, isOpen) = (Age(), Is(0.3));
            return new KeptSweep(new Guid(bytes), submitted, isOpen ? null : submitted, isOpen, Is(0.15));
        }).ToList();
        var (blobs, uses, taken, states) = (new List<StoredBlob>(), new List<CheckpointUse>(), new HashSet<string>(), new Dictionary<string, StateUse>());
        for (var i = 0; i < random.Next(1, 12); i++)
        {
            var digest = new string("0123456789abcdef"[i], 64);
            blobs.Add(new StoredBlob($"{digest[..2]}/{digest}.safetensors", random.Next(1, 200), Age()));
            if (Is(0.1)) taken.Add(digest);
            for (var use = 0; use < random.Next(0, 3); use++) uses.Add(new CheckpointUse(digest, sweeps[random.Next(sweeps.Count)].Id, Is(0.4), Is(0.2), Is(0.2)));
        }

        for (var i = 0; i < random.Next(0, 6); i++)
        {
            var key = new string("0123456789abcdef"[i], 64);
            blobs.Add(new StoredBlob($"states/{key}{(Is(0.3) ? $"-{sweeps[0].Id:N}" : "")}.state", random.Next(1, 200), Age()));
            if (Is(0.4)) blobs.Add(new StoredBlob($"results/{key}.json", 1, Age()));
            if (Is(0.6)) states[key] = new StateUse(Is(0.3), sweeps.Where(_ => Is(0.5)).Append(sweeps[^1]).Select(s => s.Id).ToHashSet(), Is(0.3));
        }

        if (Is(0.3)) blobs.Add(new StoredBlob(".1.writing", random.Next(1, 100), Age()));
        if (Is(0.3)) blobs.Add(new StoredBlob("notes.txt", random.Next(1, 100), Age()));
        return (
            new StoreRecords(blobs, sweeps, uses, taken, states),
            new RetentionRule(Is(0.3) ? random.Next(0, 60) : null, Is(0.3) ? random.Next(0, 4) : null, Is(0.6) ? random.Next(0, 1500) : null, Is(0.2)));
    }

    private static StoredBlob Checkpoint(char digit, long bytes) => new($"{new string(digit, 2)}/{new string(digit, 64)}.safetensors", bytes, Now.AddDays(-1));

    private static CheckpointUse Use(char digit, Guid sweep) => new(new string(digit, 64), sweep, false, false, false);
}
