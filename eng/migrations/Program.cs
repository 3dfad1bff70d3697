using Lathe.Coordinator;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

Console.Error.WriteLine("dotnet-ef reads this assembly; see eng/add-migration");
return 1;

/// <summary>Writing a migration looks at the model alone: no database is opened.</summary>
internal sealed class SqliteFactory : IDesignTimeDbContextFactory<SqliteDatabase>
{
    public SqliteDatabase CreateDbContext(string[] args) => new(new DbContextOptionsBuilder<SqliteDatabase>().UseSqlite("Data Source=none").Options);
}

internal sealed class PostgreSqlFactory : IDesignTimeDbContextFactory<PostgreSqlDatabase>
{
    public PostgreSqlDatabase CreateDbContext(string[] args) => new(new DbContextOptionsBuilder<PostgreSqlDatabase>().UseNpgsql("Host=none").Options);
}
