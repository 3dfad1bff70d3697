using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Lathe.Coordinator;

/// <summary>Sweeps, their executions, results by key, and stages. The database is the source of truth; the bus is only transport.</summary>
public sealed class CoordinatorDatabase(DbContextOptions<CoordinatorDatabase> options) : DbContext(options)
{
    public DbSet<SweepRow> Sweeps => Set<SweepRow>();

    public DbSet<ExecutionRow> Executions => Set<ExecutionRow>();

    public DbSet<ResultRow> Results => Set<ResultRow>();

    public DbSet<StageRow> Stages => Set<StageRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        var sweep = modelBuilder.Entity<SweepRow>().ToTable("sweeps");
        sweep.HasKey(s => s.Id);
        sweep.Property(s => s.State).HasConversion<string>();
        sweep.Property(s => s.Device).HasConversion<string>();
        sweep.HasIndex(s => new { s.Owner, s.State });
        sweep.HasIndex(s => s.SubmittedAt);

        var execution = modelBuilder.Entity<ExecutionRow>().ToTable("executions");
        execution.HasKey(e => new { e.SweepId, e.Index });
        execution.Property(e => e.Index).ValueGeneratedNever();
        execution.Property(e => e.State).HasConversion<string>();
        execution.HasOne<SweepRow>().WithMany().HasForeignKey(e => e.SweepId);
        execution.HasIndex(e => e.Key);
        execution.HasIndex(e => new { e.SweepId, e.Parent });
        execution.HasIndex(e => e.State);

        modelBuilder.Entity<ResultRow>().ToTable("results").HasKey(r => r.Key);
        modelBuilder.Entity<StageRow>().ToTable("stages").HasKey(s => new { s.Name, s.Version });
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcConverter>();

    /// <summary>SQLite cannot compare a DateTimeOffset and PostgreSQL takes UTC only; UTC as a DateTime works in both.</summary>
    private sealed class UtcConverter() : ValueConverter<DateTimeOffset, DateTime>(
        offset => offset.UtcDateTime,
        time => new DateTimeOffset(DateTime.SpecifyKind(time, DateTimeKind.Utc)));
}
