#include <budget.h>

bool budget_renew(struct budget *budget, uint32_t cost)
{
    uint32_t total = budget->left + budget->rest, piece = cost > PIECE_MAX ? cost : PIECE_MAX;

    if (budget->is_used && (total < cost || arch_timer_is_due()))
        return false;
    if (total < cost)
        total = cost;
    budget->left = piece < total ? piece : total;
    budget->rest = total - budget->left;
    return true;
}

bool budget_spend(struct budget *budget, uint32_t cost)
{
    if (budget->left < cost && !budget_renew(budget, cost))
        return false;
    budget->left -= cost;
    return true;
}

uint32_t budget_count(struct budget *budget, uint32_t cost, uint32_t most)
{
    if (budget->left < cost && !budget_renew(budget, cost))
        return 0;
    return budget->left / cost < most ? budget->left / cost : most;
}
