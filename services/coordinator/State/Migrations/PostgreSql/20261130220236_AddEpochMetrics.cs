using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Lathe.Coordinator.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class AddEpochMetrics : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Metrics",
                table: "progress_points",
                type: "text",
                nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "Metrics",
                table: "progress_points");
        }
    }
}
