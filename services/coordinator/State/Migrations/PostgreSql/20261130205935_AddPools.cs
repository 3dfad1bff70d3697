using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Lathe.Coordinator.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class AddPools : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Pool",
                table: "step_counts",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Pool",
                table: "executions",
                type: "text",
                nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "Pool",
                table: "step_counts");

            migrationBuilder.DropColumn(
                name: "Pool",
                table: "executions");
        }
    }
}
