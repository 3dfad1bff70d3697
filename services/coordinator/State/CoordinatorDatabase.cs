using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Lathe.Coordinator;

/// <summary>The coordinator's state. The database is the source of truth; the bus is only transport.</summary>
public abstract class CoordinatorDatabase(DbContextOptions options) : DbContext(options)
{
    /// <summary>Filter of the index that allows one active execution of a key.</summary>
    private const string ActiveOnly = "\"State\" IN ('Ready', 'Queued', 'Running')";

    public DbSet<SweepRow> Sweeps => Set<SweepRow>();

    public DbSet<PointRow> Points => Set<PointRow>();

    public DbSet<BranchRow> Branches => Set<BranchRow>();

    public DbSet<NodeRow> Nodes => Set<NodeRow>();

    public DbSet<SearchRow> Searches => Set<SearchRow>();

    public DbSet<TrialRow> Trials => Set<TrialRow>();

    public DbSet<StepCountRow> StepCounts => Set<StepCountRow>();

    public DbSet<ExecutionRow> Executions => Set<ExecutionRow>();

    public DbSet<LeaseRow> Leases => Set<LeaseRow>();

    public DbSet<ProgressPointRow> ProgressPoints => Set<ProgressPointRow>();

    public DbSet<OutboxRow> Outbox => Set<OutboxRow>();

    public DbSet<EventRow> Events => Set<EventRow>();

    public DbSet<StageRow> Stages => Set<StageRow>();

    public DbSet<ApiKeyRow> ApiKeys => Set<ApiKeyRow>();

    public DbSet<SessionRow> Sessions => Set<SessionRow>();

    public DbSet<WorkerRow> Workers => Set<WorkerRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        var sweep = modelBuilder.Entity<SweepRow>().ToTable("sweeps");
        sweep.HasKey(s => s.Id);
        // An earlier Lathe took any name; what is read from here is printed to terminals and logs.
        sweep.Property(s => s.Name).HasConversion(name => name, name => SweepNames.Shown(name));
        sweep.Property(s => s.State).HasConversion<string>();
        sweep.Property(s => s.Device).HasConversion<string>();
        sweep.HasIndex(s => new { s.Owner, s.State });
        sweep.HasIndex(s => s.SubmittedAt);
        sweep.HasIndex(s => s.Name);
        sweep.HasIndex(s => s.RequestId).IsUnique();

        var point = modelBuilder.Entity<PointRow>().ToTable("points");
        point.HasKey(p => new { p.SweepId, p.Number });
        point.HasOne<SweepRow>().WithMany().HasForeignKey(p => p.SweepId);

        var branch = modelBuilder.Entity<BranchRow>().ToTable("branches");
        branch.HasKey(b => new { b.SweepId, b.Number });
        branch.HasOne<SweepRow>().WithMany().HasForeignKey(b => b.SweepId);

        var node = modelBuilder.Entity<NodeRow>().ToTable("nodes");
        node.HasKey(n => new { n.SweepId, n.Index });
        node.Property(n => n.Index).ValueGeneratedNever();
        node.Property(n => n.Hold).HasConversion<string>();
        // Whoever links a node to an execution must have seen it as it is.
        node.Property(n => n.ExecutionId).IsConcurrencyToken();
        node.Property(n => n.Hold).IsConcurrencyToken();
        node.HasOne<SweepRow>().WithMany().HasForeignKey(n => n.SweepId);
        node.HasIndex(n => new { n.SweepId, n.Parent });
        node.HasIndex(n => n.ExecutionId);
        node.HasIndex(n => new { n.SweepId, n.Index }).HasFilter("\"IsLeaf\"").HasDatabaseName("IX_nodes_leaves");

        var count = modelBuilder.Entity<StepCountRow>().ToTable("step_counts");
        count.HasKey(c => new { c.SweepId, c.Step });
        count.HasOne<SweepRow>().WithMany().HasForeignKey(c => c.SweepId);

        var search = modelBuilder.Entity<SearchRow>().ToTable("searches");
        search.HasKey(s => s.SweepId);
        search.Property(s => s.Version).IsConcurrencyToken();
        search.HasOne<SweepRow>().WithMany().HasForeignKey(s => s.SweepId);

        var trial = modelBuilder.Entity<TrialRow>().ToTable("trials");
        trial.HasKey(t => new { t.SweepId, t.Number });
        trial.Property(t => t.State).HasConversion<string>();
        trial.HasOne<SweepRow>().WithMany().HasForeignKey(t => t.SweepId);
        trial.HasIndex(t => new { t.SweepId, t.State });

        var execution = modelBuilder.Entity<ExecutionRow>().ToTable("executions");
        execution.HasKey(e => e.Id);
        execution.Property(e => e.State).HasConversion<string>();
        execution.Property(e => e.Version).IsConcurrencyToken();
        execution.HasIndex(e => new { e.Key, e.Scope, e.Owner }).IsUnique().HasFilter(ActiveOnly).HasDatabaseName("IX_executions_active_key");
        execution.HasIndex(e => new { e.Owner, e.State, e.SweepId, e.Stage, e.StageVersion, e.Id }).HasFilter(ActiveOnly).HasDatabaseName("IX_executions_active");
        execution.HasIndex(e => e.Key);
        execution.HasIndex(e => new { e.SweepId, e.FinishedAt }).HasFilter("\"State\" = 'Failed'").HasDatabaseName("IX_executions_failed");

        modelBuilder.Entity<LeaseRow>().ToTable("leases").HasKey(l => l.ExecutionId);
        modelBuilder.Entity<ProgressPointRow>().ToTable("progress_points").HasKey(p => new { p.ExecutionId, p.Epoch });
        modelBuilder.Entity<StageRow>().ToTable("stages").HasKey(s => new { s.Name, s.Version });
        modelBuilder.Entity<ApiKeyRow>().ToTable("api_keys").HasKey(k => k.Id);
        modelBuilder.Entity<SessionRow>().ToTable("sessions").HasKey(s => s.Sha256);
        modelBuilder.Entity<WorkerRow>().ToTable("workers").HasKey(w => w.Name);

        var outbox = modelBuilder.Entity<OutboxRow>().ToTable("outbox");
        outbox.HasKey(o => o.Id);
        outbox.HasIndex(o => new { o.Owner, o.ClaimedUntil });

        var happened = modelBuilder.Entity<EventRow>().ToTable("events");
        happened.HasKey(e => e.Sequence);
        happened.HasIndex(e => new { e.SweepId, e.Sequence });
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcConverter>();

    /// <summary>SQLite cannot compare a DateTimeOffset and PostgreSQL takes UTC only; UTC as a DateTime works in both.</summary>
    private sealed class UtcConverter() : ValueConverter<DateTimeOffset, DateTime>(
        offset => offset.UtcDateTime,
        time => new DateTimeOffset(DateTime.SpecifyKind(time, DateTimeKind.Utc)));
}

/// <summary>The database in a SQLite file. A type of its own, because each provider has migrations of its own.</summary>
public sealed class SqliteDatabase(DbContextOptions<SqliteDatabase> options) : CoordinatorDatabase(options);

/// <summary>The database on a PostgreSQL server.</summary>
public sealed class PostgreSqlDatabase(DbContextOptions<PostgreSqlDatabase> options) : CoordinatorDatabase(options);
